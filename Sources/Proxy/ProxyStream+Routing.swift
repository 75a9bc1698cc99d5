import Connection
import Routing
import Telemetry
import Transport
import Upstream
import Wire

/// Where a stream goes: what is held, what is read from it, which replica is picked, and what happens when one fails.
extension ProxyStream {
    /// The headers are here: answer, hold, or pick at once.
    func start() {
        self.resolveStores()
        guard self.handling.isLocal || self.handling.readsMessage || self.mustReadModel else {
            self.chooseCluster(naming: nil)
            return self.route(promptIn: nil)
        }
        self.phase = .holding
        if self.requestHasEnded { self.heldRequestEnded() }
    }

    private var mustReadModel: Bool {
        self.method?.identityField != nil && self.runtime.directory.needsModel(listenerCluster: self.anchor)
    }

    // MARK: Holding

    /// Keeps request bytes until the first message is whole. The window is given back at once, up to the bound.
    func hold(_ bytes: RawSpan) {
        self.leg.send(bytes)
        self.waitingBytes += bytes.byteCount
        self.creditedBytes += bytes.byteCount
        self.consume(bytes.byteCount)
        guard self.phase == .holding else { return self.countHeldBytes() }
        if let length = self.heldMessageLength {
            // Nearly always at once, and then never counted.
            guard self.handling.isLocal else { return self.route(firstMessageBytes: length) }
            self.countHeldBytes()
            // Answered when the caller has said everything, which is no more than this.
            if self.leg.unframedBytes > max(length, self.runtime.settings.maxHeldBytes) {
                self.reply(LocalReply(.requestTooLarge))
            }
            return
        }
        self.countHeldBytes()
        if self.leg.unframedBytes > self.runtime.settings.maxHeldBytes || self.heldPrefixIsHopeless
            || self.isOneHeldTooMany
        {
            guard !self.handling.isLocal else { return self.reply(LocalReply(.requestTooLarge)) }
            // Too long to hold: no hint, never an error.
            self.metrics.undecodedHints.add()
            self.chooseCluster(naming: nil)
            self.route(promptIn: nil)
        }
    }

    /// The bytes that wait go on waiting: they count for the process from now on.
    func countHeldBytes() {
        self.metrics.heldBytes.add(self.waitingBytes - self.countedBytes)
        self.countedBytes = self.waitingBytes
    }

    /// Whether all streams of the process together hold more than they may.
    private var isOneHeldTooMany: Bool {
        guard self.runtime.metrics.heldBytes.value > self.runtime.settings.maxTotalHeldBytes else { return false }
        self.runtime.metrics.defended(.heldBytes)
        return true
    }

    /// The held bytes have gone on their way, or are not needed any more.
    func stopHolding() {
        self.waitingBytes = 0
        guard self.countedBytes > 0 else { return }
        self.metrics.heldBytes.subtract(self.countedBytes)
        self.countedBytes = 0
    }

    /// Length of the first held message with its prefix, when it is whole; nil while it is not.
    var heldMessageLength: Int? {
        self.leg.withUnframedBody { held in
            guard let prefix = try? GRPCFramePrefix(held) else { return nil }
            let length = GRPCFramePrefix.byteCount + Int(prefix.length)
            return held.byteCount >= length ? length : nil
        }
    }

    /// Whether the first message can never be read: longer than is held, or no gRPC at all.
    private var heldPrefixIsHopeless: Bool {
        self.leg.withUnframedBody { held in
            do {
                guard let prefix = try GRPCFramePrefix(held) else { return false }
                return Int(prefix.length) > self.runtime.settings.maxHeldBytes
            } catch {
                return true
            }
        }
    }

    /// The caller has said everything while its bytes were held.
    func heldRequestEnded() {
        switch self.handling {
        case .health: self.answerHealth()
        case .loadModel: self.answerLoadModel()
        case .free: self.answerFree()
        case .status: self.answerStatus()
        case .metrics: self.answerMetrics()
        case .storesEverywhere: self.writeEverywhere()
        case .grpcHealth(let method): self.answerGRPCHealth(method)
        case .affinity, .followed, .sticky, .stores, .memo, .relay:
            self.reply(LocalReply(.truncatedRequest))
        }
    }

    /// Calls `body` with the held message, without its prefix.
    func withHeldMessage<Result>(_ length: Int, _ body: (RawSpan) -> Result) -> Result {
        self.leg.withUnframedBody { body($0.extracting(GRPCFramePrefix.byteCount..<length)) }
    }

    var heldMessageIsCompressed: Bool {
        self.leg.withUnframedBody { $0.byteCount > 0 && $0.byte(at: 0) == 1 }
    }

    private func route(firstMessageBytes length: Int) {
        guard !self.heldMessageIsCompressed else {
            self.metrics.undecodedHints.add()
            self.chooseCluster(naming: nil)
            return self.route(promptIn: nil)
        }
        switch self.handling {
        case .affinity, .followed: self.routeByPrompt(length)
        case .sticky: self.routeByKey(length)
        case .memo: self.routeUnlessKnown(length)
        default: self.routeByModel(length)
        }
    }

    /// Reads the prompt, makes its chain, and picks. Anything odd about it means no hint.
    private func routeByPrompt(_ length: Int) {
        if case .followed = self.handling { self.bond = .followed }
        let isRead = self.readPrompt(length) { hint in
            hint.withModelIdentity { self.chooseCluster(naming: $0) }
            guard let cluster = self.cluster else { return }
            self.makeChain(of: hint, in: cluster)
        }
        if !isRead {
            self.metrics.undecodedHints.add()
            self.chooseCluster(naming: nil)
            return self.route(promptIn: nil)
        }
        self.route(promptIn: self.cluster)
    }

    /// Lends the prompt of the held message to `body`. False when it is none.
    private func readPrompt(_ length: Int, _ body: (borrowing PromptHint) -> Void) -> Bool {
        let read: Void? = self.withHeldMessage(length) { message in
            self.isScore
                ? try? PromptHint.readScore(message, in: self.arena, body)
                : try? PromptHint.readPredict(message, in: self.arena, body)
        }
        return read != nil
    }

    private var isScore: Bool { if case .score? = self.method { true } else { false } }

    /// Fills the cluster's chain with the prompt, as the cluster's settings say.
    private func makeChain(of hint: borrowing PromptHint, in cluster: Int) {
        self.proxyLoop.withChain(cluster) { chain in
            chain.begin(salt: hint.withModelIdentity { PrefixChain.salt(model: $0) })
            switch chain.mode {
            case .compatible: hint.forEachTextPart { chain.append($0) }
            case .own:
                hint.forEachCachePart { part, bytes in
                    switch part {
                    case .text: chain.append(bytes)
                    case .attachment: chain.append(digestOf: bytes)
                    case .messageEnd: chain.cut()
                    }
                }
            }
            chain.finish()
        }
    }

    /// Whether the call has one answer, at its end.
    var answersOnce: Bool { if case .predictStream? = self.method { false } else { true } }

    func routeByModel(_ length: Int) {
        guard let method = self.method else { return self.route(promptIn: nil) }
        let read: Void?? = self.withHeldMessage(length) { message in
            try? ModelIdentity.read(message, of: method, in: self.arena) { self.chooseCluster(naming: $0) }
        }
        if read == nil { self.chooseCluster(naming: nil) }
        self.route(promptIn: nil)
    }

    /// Sets the cluster; leaves it nil when no cluster serves the model.
    func chooseCluster(naming model: RawSpan?) {
        guard let model else {
            self.cluster = self.anchor ?? self.runtime.directory.defaultCluster
            return
        }
        self.noteModel(model)
        self.cluster = self.runtime.directory.cluster(for: model, listenerCluster: self.anchor)
    }

    // MARK: Picking

    /// Picks a replica and opens the upstream leg. `promptIn`: the cluster whose chain holds this stream's prompt.
    func route(promptIn chain: Int?) {
        guard let position = self.cluster else { return self.reply(LocalReply(.unknownModel)) }
        if chain == nil { self.proxyLoop.withChain(position) { $0.removeAll(keepingCapacity: true) } }
        let now = self.loop.moment
        self.runtime.homes[position].with { cluster in
            switch self.ask(cluster, position, promptIn: chain ?? position, excluding: [], retry: nil, at: now) {
            case .picked(let replica): self.go(to: replica, in: cluster, at: now)
            case .waits(let number): self.startWaiting(position, number, retry: nil)
            case .refused(let refusal): self.reply(LocalReply(refusal))
            case .none: self.reply(Self.reply(to: cluster.shortage()))
            }
        }
    }

    /// Opens the upstream leg to the replica that was picked, by `decision`.
    func go(to picked: consuming Replica, in cluster: Cluster, at now: UInt64) {
        self.phase = .routed
        self.stopHolding()
        // All loops count references to a replica: once per call is enough.
        let replica = BackReference(picked)
        self.replica = consume picked
        replica.with { self.noteDecision(for: $0, at: now) }
        self.leg.forgetReceived()
        self.leg.lease = self.decision?.lease
        self.leg.expectedNs = self.expectedNs
        if !self.leg.canSendBodyAgain, self.tried.isEmpty { self.leg.keepBodyForRetry() }
        if self.requestHasEnded, !self.requestIsHeadersOnly { self.leg.endBody() }
        replica.with { self.leg.open(on: self.upstream.client(of: $0, in: cluster), at: now) }
    }

    static func reply(to shortage: Cluster.Shortage) -> LocalReply {
        switch shortage {
        case .unreachable: LocalReply(.noReplica)
        case .loading: LocalReply(.modelLoading)
        case .notLoaded: LocalReply(.modelNotLoaded)
        }
    }

    // MARK: When a replica fails

    /// The upstream leg is over and its lease is back.
    func upstreamEnded(_ outcome: UpstreamOutcome) {
        switch outcome {
        case .answered, .cancelled:
            if let cause = self.retryWhenEnded, self.isAttached {
                self.retryWhenEnded = nil
                if !self.isWorthRetrying(cause) || !self.pickAgain(cause) { self.couldNotRetry(cause) }
            }
        case .failed(let failure):
            if self.isAttached { self.replicaFailed(failure) }
        }
        if !self.requestHasEnded, !self.isAwaitingModel, self.waiting == nil { self.dropUnsentRequest() }
        self.finishIfOver()
    }

    private func replicaFailed(_ failure: UpstreamFailure) {
        switch self.phase {
        case .routed:
            if self.mayRetry(after: failure), self.pickAgain(failure.retryCause) { return }
            self.reply(self.reply(to: failure))
        case .answering: self.endBroken(self.reply(to: failure))
        case .begun, .holding, .waiting, .replied, .ended: ()
        }
    }

    private func reply(to failure: UpstreamFailure) -> LocalReply {
        guard let position = self.cluster else { return LocalReply(.noReplica) }
        let cluster = self.runtime.directory.clusters[position]
        return LocalReply.of(
            failure, othersLive: cluster.isUsable, lostStatus: self.runtime.sections[position].lostAnswerStatus)
    }

    /// Nothing of the answer has been relayed, the whole request is still here, and sending it again does no harm.
    private func mayRetry(after failure: UpstreamFailure) -> Bool {
        guard failure.mayTryElsewhere, self.leg.canSendBodyAgain, let cluster = self.cluster else { return false }
        let limit = self.runtime.sections[cluster].connections.maxRetries
        return self.tried.count < limit && (failure.isBeforeProcessing || self.handling.mayRepeat)
    }

    /// Sends the same request to a replica that was not tried yet, as soon as one has room. False when there is none.
    /// - Parameter sameReplica: the one that failed, and others that were tried, are as good.
    func pickAgain(_ cause: RetryCause, sameReplica: Bool = false) -> Bool {
        guard let position = self.cluster, let failed = self.replica else { return false }
        let cluster = self.runtime.directory.clusters[position]
        guard cluster.mayRetry() else { return false }
        self.tried.append(failed.id)
        // What the lost replica's side took was given back to the caller then, so not when it is framed again.
        self.creditedBytes += self.leg.rewindBody()
        self.makeChainOfKeptPrompt(in: position)
        let now = self.loop.moment
        let excluded = sameReplica ? [] : self.tried
        switch self.ask(cluster, position, promptIn: position, excluding: excluded, retry: cause, at: now) {
        case .picked(let replica):
            cluster.metrics.retried(cause)
            self.go(to: replica, in: cluster, at: now)
        case .waits(let number): self.startWaiting(position, number, retry: cause)
        case .refused, .none:
            self.tried.removeLast()
            return false
        }
        return true
    }

    /// Makes the cluster's chain that of the prompt again, from the bytes that were kept; empty for a stream without one.
    private func makeChainOfKeptPrompt(in cluster: Int) {
        self.proxyLoop.withChain(cluster) { $0.removeAll(keepingCapacity: true) }
        guard self.handling == .affinity || self.handling == .followed else { return }
        if let length = self.heldMessageLength, !self.heldMessageIsCompressed {
            _ = self.readPrompt(length) { self.makeChain(of: $0, in: cluster) }
        }
    }
}

extension UpstreamFailure {
    /// Whether the replica provably did nothing with the stream.
    fileprivate var isBeforeProcessing: Bool {
        switch self {
        case .connectFailed, .refused: true
        case .connectionLost, .settingsTimeout, .stalled, .reset, .notGRPC: false
        }
    }

    fileprivate var retryCause: RetryCause {
        switch self {
        case .connectFailed: .connectFailed
        case .connectionLost, .settingsTimeout, .reset, .notGRPC: .connectionLost
        case .refused: .refused
        case .stalled: .stalled
        }
    }
}
