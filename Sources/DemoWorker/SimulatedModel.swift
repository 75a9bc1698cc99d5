internal import Wire

/// A worker without sockets or clock: calls and times go in, answers come out.
///
///                 arrived ──► waiting ──slot free──► computing the prompt ──► generating ──► ended
///                                │                           │                    │
///                             cancelled: forgotten      cancelled: what is computed stays cached
///
/// As on llama.cpp's worker: `slots` requests run and the others wait without limit; prompts are computed one after the
/// other, answers are generated side by side; how much of a prompt is cached is settled when it gets its slot, so two
/// that start together with the same cold beginning both compute it.
///
/// Times are nanoseconds on one clock; a time before the latest one counts as the latest one, since callers on several
/// threads read the clock before they take their turn. Lives where its owner puts it; not shared.
package struct SimulatedModel: Sendable {
    let settings: WorkerSettings
    var loaded: LoadedModel?
    var cache: SimulatedCache
    /// Requests with a slot, oldest first.
    var running: [RunningRequest] = []
    /// Requests without a slot, oldest first.
    var waiting: [WaitingRequest] = []
    /// Requests with a slot whose prompt is not computed, in the order of computing; the first is at it.
    var prompts: [CallID] = []
    /// The latest time that was told.
    private var latest: UInt64 = 0
    /// LoadModel calls that are answered when the model is there, and what they load.
    private var load: (calls: [CallID], model: LoadedModel, endsAt: UInt64)?
    /// Health calls that wait for earlier requests.
    private var heldHealth: [(call: CallID, behind: Set<CallID>)] = []
    /// Since the start: tokens of answers, and of prompts that were computed or came from the cache.
    package private(set) var generatedTokens = 0
    package private(set) var computedTokens = 0
    package private(set) var cachedTokens = 0

    struct LoadedModel: Sendable, Equatable {
        var identity: [UInt8]
        var slots: Int
        var contextTokens: Int
    }

    package init(_ settings: WorkerSettings) {
        self.settings = settings
        self.cache = SimulatedCache(tokens: settings.cacheTokens)
        if let model = settings.model {
            var options = ModelOptions()
            options.model = Array(model.utf8)
            self.loaded = Self.model(options, settings)
        }
    }

    /// Whether no call that will be answered is open.
    package var isIdle: Bool {
        self.running.isEmpty && self.waiting.isEmpty && self.load == nil && self.heldHealth.isEmpty
    }

    /// When `timePassed` has something to do next; nil when only a call can change anything.
    package var nextEventAt: UInt64? {
        [self.load?.endsAt, self.nextRequestEvent?.at].compactMap { $0 }.min()
    }

    /// A call came in with its whole request.
    package mutating func arrived(_ call: WorkerCall, _ id: CallID, at now: UInt64) -> [WorkerAction] {
        var actions = self.timePassed(to: now)
        let now = self.latest
        switch call {
        case .health:
            actions += self.healthAsked(id)
        case .loadModel(let options):
            actions += self.loadAsked(options, id, at: now)
        case .predict(let options, let streams):
            actions += self.predictAsked(options, id, streams: streams, at: now)
        case .embedding(let options):
            actions += self.answer(id, identity: options.modelIdentity) { Self.embedding(of: options) }
        case .tokenizeString(let options):
            actions += self.answer(id, identity: options.modelIdentity) { Self.tokenized(options.prompt) }
        case .detokenize(let request):
            actions += self.answer(id, identity: []) { Self.detokenized(request.tokens) }
        case .modelMetadata:
            actions += self.answer(id, identity: []) { ModelMetadataResponse() }
        case .getMetrics:
            actions += self.metricsAsked(id)
        case .unimplemented:
            actions.append(.end(id, .unimplemented, ""))
        case .malformed:
            actions.append(.end(id, .internal, "the request is not the message that this call takes"))
        }
        return actions
    }

    /// The caller of `id` does not want it any more. Nothing is sent for it from here on.
    package mutating func cancelled(_ id: CallID, at now: UInt64) -> [WorkerAction] {
        var actions = self.timePassed(to: now).filter { !$0.isFor(id) }
        let now = self.latest
        self.heldHealth.removeAll { $0.call == id }
        self.load?.calls.removeAll { $0 == id }
        self.withdraw(id, at: now)
        actions += self.requestsLeft([id], at: now)
        // A prompt that had to wait may need no time at all.
        return actions + self.timePassed(to: now)
    }

    /// It is `now`. May be called late: everything happens at its own time, in order.
    package mutating func timePassed(to now: UInt64) -> [WorkerAction] {
        self.latest = max(self.latest, now)
        var actions: [WorkerAction] = []
        while true {
            let request = self.nextRequestEvent
            if let load = self.load, load.endsAt <= self.latest, load.endsAt <= request?.at ?? .max {
                self.load = nil
                self.loaded = load.model
                let result = BackendResult(success: true, message: "Loading succeeded")
                for call in load.calls { actions += Self.answer(call, result) }
            } else if let request, request.at <= self.latest {
                actions += self.happened(request)
            } else {
                return actions
            }
        }
    }

    // MARK: - Health

    private mutating func healthAsked(_ id: CallID) -> [WorkerAction] {
        let before = Set(self.running.map(\.id) + self.waiting.map(\.id))
        guard self.settings.healthBehindPredict, !before.isEmpty else { return Self.answer(id, Reply.healthy) }
        self.heldHealth.append((id, before))
        return []
    }

    /// Requests are gone: free slots are taken, and Health calls that waited for them are answered.
    mutating func requestsLeft(_ ids: [CallID], at now: UInt64) -> [WorkerAction] {
        self.fillSlots(at: now)
        var actions: [WorkerAction] = []
        for index in self.heldHealth.indices { self.heldHealth[index].behind.subtract(ids) }
        for held in self.heldHealth where held.behind.isEmpty { actions += Self.answer(held.call, Reply.healthy) }
        self.heldHealth.removeAll { $0.behind.isEmpty }
        return actions
    }

    // MARK: - LoadModel

    private mutating func loadAsked(_ options: ModelOptions, _ id: CallID, at now: UInt64) -> [WorkerAction] {
        guard !options.model.isEmpty || !options.modelFile.isEmpty else {
            return [.end(id, .internal, "Failed to load model: no file is named")]
        }
        let isUnsafe = !self.running.isEmpty || !self.waiting.isEmpty || self.load != nil
        if isUnsafe, self.settings.diesOfUnsafeLoad { return [.die("LoadModel at a busy worker")] }

        let interrupted = self.running.map(\.id) + self.waiting.map(\.id)
        self.running = []
        self.waiting = []
        self.prompts = []
        self.loaded = nil
        self.cache.drop()
        var actions = interrupted.map { WorkerAction.end($0, .internal, "interrupted by LoadModel") }
        actions += self.requestsLeft(interrupted, at: now)

        let calls = (self.load?.calls ?? []) + [id]
        let endsAt = now + UInt64(max(0, self.settings.loadTimeMs)) * 1_000_000
        self.load = (calls, Self.model(options, self.settings), endsAt)
        return actions + self.timePassed(to: now)
    }

    private static func model(_ options: ModelOptions, _ settings: WorkerSettings) -> LoadedModel {
        LoadedModel(
            identity: options.model, slots: max(1, options.slots ?? settings.slots),
            contextTokens: options.contextSize > 0 ? Int(options.contextSize) : max(1, settings.contextTokens))
    }

    // MARK: - Counting

    mutating func countPrompt(computed: Int, cached: Int) {
        self.computedTokens += computed
        self.cachedTokens += cached
    }

    mutating func countGenerated(_ tokens: Int) {
        self.generatedTokens += tokens
    }
}

extension WorkerAction {
    fileprivate func isFor(_ id: CallID) -> Bool {
        switch self {
        case .message(let call, _), .end(let call, _, _): call == id
        case .die: false
        }
    }
}
