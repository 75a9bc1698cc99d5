import Routing
import Telemetry
import Upstream
import Wire

/// Calls whose method or whose headers say where they belong: jobs, sessions, stores, models by name.
extension ProxyStream {
    // MARK: The cluster

    /// Finds the cluster that is meant before any message is read. False when a header names a model that nobody serves.
    func takeAnchor() -> Bool {
        let directory = self.runtime.directory
        self.anchor = self.connection?.listenerCluster
        guard directory.looksAtHeaders else { return true }
        if let key = directory.modelMetadataKey,
            let found = self.headers.withValue(
                named: key,
                {
                    self.noteModel($0)
                    return directory.cluster(for: $0, listenerCluster: self.anchor)
                })
        {
            self.anchor = found
            return found != nil
        }
        if self.anchor == nil {
            self.anchor = self.headers.withValue(.authority) { directory.cluster(ofAuthority: $0) } ?? nil
        }
        return true
    }

    /// Stores are in one replica, or in all of them.
    func resolveStores() {
        guard case .stores(let writes) = self.handling else { return }
        switch self.runtime.sections[self.anchor ?? self.runtime.directory.defaultCluster].stores.writes {
        case .primary: self.bond = .primary
        case .all where writes: self.handling = .storesEverywhere
        // Every replica has everything: any of them answers.
        case .all: ()
        }
    }

    // MARK: Jobs and sessions

    func routeByKey(_ length: Int) {
        guard let method = self.method, let kind = StickyKey(of: method) else { return self.route(promptIn: nil) }
        let key = self.withHeldMessage(length) { message in
            try? StickyKey.read(message, of: method, in: self.arena) { Self.digest(kind, $0) }
        }
        if let key = key ?? nil { self.bond = .sticky(key) }
        switch method {
        case .startFineTune, .startQuantization: self.capture = AnswerCapture(.job(kind))
        default: ()
        }
        self.chooseCluster(naming: nil)
        self.searchesForJob = self.isAboutForgottenJob(method)
        self.route(promptIn: nil)
    }

    /// Whether the call is about a job that was started before the proxy was, or too long ago.
    private func isAboutForgottenJob(_ method: BackendMethod) -> Bool {
        guard let cluster = self.cluster, case .sticky(let key) = self.bond else { return false }
        switch method {
        case .fineTuneProgress, .stopFineTune, .quantizationProgress, .stopQuantization:
            return !self.runtime.directory.clusters[cluster].knows(key)
        default: return false
        }
    }

    private static func digest(_ kind: StickyKey, _ id: RawSpan) -> UInt64 {
        let seed: UInt64 =
            switch kind {
            case .fineTuneJob: 1
            case .quantizationJob: 2
            case .audioSession: 3
            }
        return PrefixChain.digest(id.copied, seed: seed)
    }

    // MARK: Answers that are known

    /// ModelMetadata: the same options have the same answer on every replica.
    func routeUnlessKnown(_ length: Int) {
        let request = self.withHeldMessage(length) { $0.copied }
        guard let options = try? ModelOptions(decoding: request) else {
            self.metrics.undecodedHints.add()
            self.chooseCluster(naming: nil)
            return self.route(promptIn: nil)
        }
        options.model.withRawSpan { self.chooseCluster(naming: $0) }
        guard let position = self.cluster else { return self.reply(LocalReply(.unknownModel)) }
        let memo = self.runtime.directory.clusters[position].memo
        let digest = PrefixChain.digest(request)
        if let answer = memo.answer(to: digest) { return self.reply(message: answer) }
        self.capture = AnswerCapture(.memo(request: digest, generation: memo.generation))
        self.route(promptIn: nil)
    }

    /// The answer is complete: keeps what it was captured for, if it is a good one.
    func useCapture() {
        guard let capture = self.capture else { return }
        self.capture = nil
        guard self.status == .ok, let position = self.cluster, let replica = self.replica,
            let bytes = capture.bytes, let message = GRPCFrame.firstMessage(of: bytes)
        else { return }
        let cluster = self.runtime.directory.clusters[position]
        switch capture.purpose {
        case .memo(let request, let generation): cluster.memo.keep(message, for: request, asked: generation)
        case .job(let kind):
            let key = message.withRawSpan { message in
                try? StickyKey.readResult(message, in: self.arena) { Self.digest(kind, $0) }
            }
            if let key = key ?? nil { cluster.remember(key, replica) }
        }
    }
}
