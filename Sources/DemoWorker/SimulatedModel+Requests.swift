internal import Wire

/// A Predict or PredictStream without a slot.
struct WaitingRequest: Sendable {
    let id: CallID
    let streams: Bool
    let blocks: PromptBlocks
    /// Whether its prompt may be taken from and left in the cache.
    let usesCache: Bool
    /// Tokens that it may generate, at least 0.
    let limit: Int
}

/// A Predict or PredictStream with a slot.
struct RunningRequest: Sendable {
    let request: WaitingRequest
    /// Tokens of its prompt that need not be computed.
    let cachedTokens: Int
    let answer: [[UInt8]]
    /// The prompt and what was generated after it.
    var blocks: PromptBlocks
    /// When the computing of its prompt began; nil while another prompt is computed.
    var promptBeganAt: UInt64?
    /// When its prompt was computed; nil before.
    var promptEndedAt: UInt64?
    var generated = 0

    var id: CallID { self.request.id }
    var promptTokens: Int { self.request.blocks.tokens }
    var tokensToCompute: Int { self.promptTokens - self.cachedTokens }
}

extension SimulatedModel {
    /// The next thing that happens to a running request by itself.
    struct RequestEvent {
        var at: UInt64
        var index: Int
    }

    var nextRequestEvent: RequestEvent? {
        var next: RequestEvent?
        for (index, request) in self.running.enumerated() {
            guard let at = self.nextEvent(of: request) else { continue }
            if at < next?.at ?? .max { next = RequestEvent(at: at, index: index) }
        }
        return next
    }

    /// When `request` has its prompt computed, or its next token; nil while it waits for another prompt.
    private func nextEvent(of request: RunningRequest) -> UInt64? {
        if let ended = request.promptEndedAt {
            // The prompt's last step gives the first token, so that one comes with it.
            let steps = max(0, min(request.generated, request.answer.count - 1))
            return ended + Self.nanoseconds(steps, self.settings.decodeTokensPerSecond)
        }
        return request.promptBeganAt.map {
            $0 + Self.nanoseconds(request.tokensToCompute, self.settings.prefillTokensPerSecond)
        }
    }

    mutating func predictAsked(
        _ options: PredictOptions, _ id: CallID, streams: Bool, at now: UInt64
    ) -> [WorkerAction] {
        guard let model = self.loaded else { return [.notLoaded(id)] }
        if let refusal = self.refusal(id, identity: options.modelIdentity) { return [refusal] }
        let text = AnswerText.rendered(options)
        let promptTokens = PromptBlocks.tokens(ofBytes: text.count)
        guard promptTokens <= model.contextTokens else {
            let problem =
                "request (\(promptTokens) tokens) exceeds the available context size (\(model.contextTokens) tokens)"
            let first = streams ? [WorkerAction.message(id, Reply(message: Array(problem.utf8)).encoded())] : []
            return first + [.end(id, .internal, problem)]
        }
        let wanted = options.tokens > 0 ? Int(options.tokens) : self.settings.defaultAnswerTokens
        self.waiting.append(
            WaitingRequest(
                id: id, streams: streams, blocks: PromptBlocks(text), usesCache: options.promptCacheAll,
                limit: min(wanted, model.contextTokens - promptTokens)))
        self.fillSlots(at: now)
        // With nothing to compute the answer begins at once.
        return self.timePassed(to: now)
    }

    /// Gives free slots to those that have waited longest.
    mutating func fillSlots(at now: UInt64) {
        guard let model = self.loaded else { return }
        while self.running.count < model.slots, !self.waiting.isEmpty {
            let request = self.waiting.removeFirst()
            // The last token is always computed: its outcome is the first token of the answer.
            let cached =
                request.usesCache
                ? min(self.cache.cachedTokens(of: request.blocks), max(0, request.blocks.tokens - 1)) : 0
            self.running.append(
                RunningRequest(
                    request: request, cachedTokens: cached,
                    answer: AnswerText.tokens(for: request.blocks.digest, count: request.limit),
                    blocks: request.blocks))
            self.prompts.append(request.id)
        }
        self.beginPrompt(at: now)
    }

    private mutating func beginPrompt(at now: UInt64) {
        guard let first = self.prompts.first, let index = self.running.firstIndex(where: { $0.id == first }),
            self.running[index].promptBeganAt == nil
        else { return }
        self.running[index].promptBeganAt = now
    }

    /// Lets `event` happen.
    mutating func happened(_ event: RequestEvent) -> [WorkerAction] {
        var request = self.running[event.index]
        var actions: [WorkerAction] = []
        if request.promptEndedAt == nil {
            request.promptEndedAt = event.at
            self.prompts.removeFirst()
            self.countPrompt(computed: request.tokensToCompute, cached: request.cachedTokens)
            self.keep(request.blocks, tokens: request.promptTokens, request)
            if request.request.streams { actions.append(.message(request.id, Reply().encoded())) }
            self.running[event.index] = request
            self.beginPrompt(at: event.at)
            return actions
        }
        if request.generated < request.answer.count {
            let token = request.answer[request.generated]
            request.generated += 1
            request.blocks.append(token)
            self.countGenerated(1)
            if request.request.streams { actions.append(.message(request.id, Reply(message: token).encoded())) }
            self.running[event.index] = request
        }
        guard request.generated == request.answer.count else { return actions }
        self.running.remove(at: event.index)
        self.keep(request.blocks, tokens: request.blocks.tokens, request)
        actions.append(.message(request.id, self.lastReply(request, at: event.at).encoded()))
        actions.append(.end(request.id, .ok, ""))
        return actions + self.requestsLeft([request.id], at: event.at)
    }

    /// A stream's last message, without text; or the only one of a unary answer.
    private func lastReply(_ request: RunningRequest, at now: UInt64) -> Reply {
        let computed = Self.nanoseconds(request.tokensToCompute, self.settings.prefillTokensPerSecond)
        return Reply(
            message: request.request.streams ? [] : Array(request.answer.joined()),
            tokens: Int32(clamping: request.generated), promptTokens: Int32(clamping: request.promptTokens),
            promptMs: Double(computed) / 1_000_000,
            generationMs: Double(now - (request.promptEndedAt ?? now)) / 1_000_000)
    }

    /// Takes `id` out, wherever it is. What is computed of its prompt, and its answer, stays in the cache.
    mutating func withdraw(_ id: CallID, at now: UInt64) {
        self.waiting.removeAll { $0.id == id }
        guard let index = self.running.firstIndex(where: { $0.id == id }) else { return }
        let request = self.running.remove(at: index)
        self.prompts.removeAll { $0 == id }
        if request.promptEndedAt != nil {
            self.keep(request.blocks, tokens: request.blocks.tokens, request)
        } else if let began = request.promptBeganAt {
            let share = Double(now - began) / 1_000_000_000 * self.settings.prefillTokensPerSecond
            let computed = min(request.tokensToCompute, Int(share))
            self.countPrompt(computed: computed, cached: request.cachedTokens)
            self.keep(request.blocks, tokens: request.cachedTokens + computed, request)
        }
    }

    private mutating func keep(_ blocks: PromptBlocks, tokens: Int, _ request: RunningRequest) {
        if request.request.usesCache { self.cache.keep(blocks, tokens: tokens) }
    }

    /// How long `tokens` take at `perSecond`; nothing when that is zero.
    private static func nanoseconds(_ tokens: Int, _ perSecond: Double) -> UInt64 {
        perSecond > 0 ? UInt64(min(Double(tokens) / perSecond * 1e9, 1e18)) : 0
    }
}
