import Logging
import Routing
import Transport
import Wire

/// The model of one replica.
extension ModelLifecycle {
    /// Loads `options` there unless they are there, or failed a moment ago. Everybody who asks for the same at the same time
    /// shares one result.
    func load(_ options: Options, on replica: Replica) async -> LoadResult {
        while let current = self.underWay[replica.id] {
            guard let result = await current.result.wait() else { return Self.givenUp }
            if current.digest == options.digest { return result }
        }
        guard !Task.isCancelled else { return Self.givenUp }
        if self.cluster.model(of: replica) == .loaded(options.digest) { return .loaded }
        let now = Loop.now
        if let failure = self.failures[replica.id], failure.digest == options.digest, now < failure.retryAtNs {
            let seconds = (failure.retryAtNs - now + 999_999_999) / 1_000_000_000
            return .failed(failure.code, "\(failure.text) (tried again in \(seconds) s)")
        }
        let result = SharedResult<LoadResult>()
        self.underWay[replica.id] = UnderWay(digest: options.digest, result: result)
        Task {
            let outcome = await self.loadNow(options, on: replica)
            self.underWay[replica.id] = nil
            result.finish(outcome)
        }
        return await result.wait() ?? Self.givenUp
    }

    /// Frees the replica's model, after a load that is under way.
    func free(_ replica: Replica, drains: Bool) async -> LoadResult {
        while let current = self.underWay[replica.id] {
            guard await current.result.wait() != nil else { return Self.givenUp }
        }
        if drains {
            self.cluster.setModel(of: replica, .missing, why: "unloading")
            guard await self.waitUntilIdle(replica) else {
                self.cluster.setModel(of: replica, .unasked, why: "unload given up: streams are open")
                return self.streamsStayed
            }
        }
        let answer = await self.call(BackendPath.free, [], replica, timeoutMs: 5_000)
        self.held[replica.id] = nil
        self.cluster.setModel(of: replica, .unasked, why: "freed")
        switch Self.result(of: answer) {
        case .loaded: return .loaded
        // Many workers have no Free.
        case .failed(.unimplemented, _): return .loaded
        case .failed(let code, let text): return .failed(code, text)
        }
    }

    enum Question: Sendable { case holdsModel, lacksModel, holdsAnother, noAnswer }

    /// Asks with the one cheap call that needs a model: Health says OK without one.
    func ask(_ replica: Replica, about model: [UInt8]) async -> Question {
        var question = PredictOptions()
        question.prompt = Array("a".utf8)
        question.modelIdentity = model
        let answer = await self.call(
            BackendPath.tokenizeString, question.encoded(), replica,
            timeoutMs: self.cluster.settings.probe.deadlineMs)
        switch answer {
        case .status(.failedPrecondition, _, _): return .lacksModel
        case .status(.notFound, _, _): return .holdsAnother
        case .status: return .holdsModel
        case .deadlineExceeded, .failed: return .noAnswer
        }
    }

    private func loadNow(_ options: Options, on replica: Replica) async -> LoadResult {
        let before = self.cluster.model(of: replica)
        if case .unreachable = await self.probes.check(replica) {
            self.cluster.setModel(of: replica, .missing, why: "waits for its model")
            return .failed(.unavailable, "unreachable; the model is loaded when it is back")
        }
        switch before {
        case .unchecked, .restarted, .another:
            // It was lost from sight: what it holds now is not known, and a blind load might take a model away.
            if let known = await self.look(at: replica, for: options) { return known }
        case .unasked, .loading, .loaded, .missing: ()
        }
        self.cluster.setModel(of: replica, .loading, why: "loading")
        guard await self.waitUntilIdle(replica) else {
            self.cluster.setModel(of: replica, before, why: "load given up: streams are open")
            return self.streamsStayed
        }
        let answer = await self.call(
            BackendPath.loadModel, options.message, replica, timeoutMs: self.cluster.settings.model.loadTimeoutMs)
        let result = Self.result(of: answer)
        switch result {
        case .loaded:
            self.failures[replica.id] = nil
            self.holds(options, replica, why: "loaded")
        case .failed(let code, let text): self.failed(options, replica, code, text)
        }
        return result
    }

    /// What a look at a replica says about a load: nil when it is to be sent.
    private func look(at replica: Replica, for options: Options) async -> LoadResult? {
        let held = self.held[replica.id] ?? options
        switch await self.ask(replica, about: held.model) {
        case .holdsModel:
            guard held.digest == options.digest else { return nil }
            self.holds(options, replica, why: "still holds its model")
            return .loaded
        case .lacksModel:
            self.cluster.setModel(of: replica, .missing, why: "model not loaded")
            return nil
        case .holdsAnother:
            // The port belongs to another model's worker now: loading ours there would take that one away.
            self.cluster.setModel(of: replica, .another, why: "model identity mismatch")
            return .failed(.notFound, "model identity mismatch: it serves another model")
        case .noAnswer: return .failed(.deadlineExceeded, "it does not say what it holds; asked again soon")
        }
    }

    private func holds(_ options: Options, _ replica: Replica, why: String) {
        guard !replica.isGone else { return }
        self.held[replica.id] = options
        replica.slots = options.slots ?? 0
        self.cluster.setSlots(of: replica, options.slots)
        self.cluster.setModel(of: replica, .loaded(options.digest), why: why)
        if why == "loaded" { self.cluster.metrics.loaded(replica.name, "success") }
    }

    private func failed(_ options: Options, _ replica: Replica, _ code: GRPCStatusCode, _ text: String) {
        guard !replica.isGone else { return }
        let settings = self.cluster.settings.model
        let last = self.failures[replica.id].flatMap { $0.digest == options.digest ? $0 : nil }
        let count = (last?.count ?? 0) + 1
        let pauseMs = min(settings.retryMaxMs, settings.retryMs << min(count - 1, 16))
        self.failures[replica.id] = Failure(
            digest: options.digest, count: count, retryAtNs: Loop.now + UInt64(max(0, pauseMs)) * 1_000_000,
            code: code, text: text)
        self.held[replica.id] = nil
        self.cluster.setModel(of: replica, .missing, why: "load failed")
        self.cluster.metrics.loaded(replica.name, "failure")
        self.cluster.log.warning(
            "model load failed",
            metadata: ["cluster": "\(self.cluster.name)", "replica": "\(replica.name)", "status": "\(code.name)"])
    }

    /// Whether the replica's last stream ended in time. It gets no new ones meanwhile.
    private func waitUntilIdle(_ replica: Replica) async -> Bool {
        let deadline = Loop.now + UInt64(self.cluster.settings.model.drainTimeoutMs) * 1_000_000
        while self.cluster.inFlight(of: replica) > 0 {
            guard Loop.now < deadline, (try? await Task.sleep(for: .milliseconds(5))) != nil else { return false }
        }
        return true
    }

    private var streamsStayed: LoadResult {
        .failed(.aborted, "streams stayed open for \(self.cluster.settings.model.drainTimeoutMs) ms")
    }

    private static let givenUp = LoadResult.failed(.cancelled, "nobody waits any more; the load goes on")

    private func call(_ path: String, _ message: [UInt8], _ replica: Replica, timeoutMs: Int) async -> UnaryCall.Answer
    {
        await UnaryCall.call(
            path, message, of: replica, in: self.cluster, on: self.loops[replica.slot % self.loops.count],
            timeoutMs: timeoutMs)
    }

    private static func result(of answer: UnaryCall.Answer) -> LoadResult {
        switch answer {
        case .status(.ok, _, let message):
            guard let result = try? BackendResult(decoding: message) else {
                return .failed(.internal, "its answer is no Result")
            }
            // Some workers report a failed load as OK with success = false.
            return result.success ? .loaded : .failed(.internal, result.message)
        case .status(let code, let text, _): return .failed(code, text)
        case .deadlineExceeded: return .failed(.deadlineExceeded, "no answer in time")
        case .failed(let failure): return .failed(.aborted, failure.name)
        }
    }
}
