internal import Wire

/// The calls that are answered at once.
extension SimulatedModel {
    /// `message` and the end of the call.
    static func answer(_ id: CallID, _ message: some BackendMessage) -> [WorkerAction] {
        [.message(id, message.encoded()), .end(id, .ok, "")]
    }

    /// What `message` makes, from a worker that holds the model of this identity.
    func answer<Message: BackendMessage>(_ id: CallID, identity: [UInt8], _ message: () -> Message) -> [WorkerAction] {
        if let refusal = self.refusal(id, identity: identity) { return [refusal] }
        return Self.answer(id, message())
    }

    /// Why a request for the model of this identity cannot be served; nil when it can. An empty identity on either side
    /// skips the comparison.
    func refusal(_ id: CallID, identity: [UInt8]) -> WorkerAction? {
        guard let model = self.loaded else { return .notLoaded(id) }
        guard identity.isEmpty || model.identity.isEmpty || identity == model.identity else {
            let held = String(decoding: model.identity, as: UTF8.self)
            let asked = String(decoding: identity, as: UTF8.self)
            return .end(id, .notFound, "model identity mismatch: \(held) is loaded, \(asked) was asked for")
        }
        return nil
    }

    /// Without a model there is no answer at all, which callers of real workers find out by their deadline.
    func metricsAsked(_ id: CallID) -> [WorkerAction] {
        guard self.loaded != nil else { return [] }
        var metrics = MetricsResponse()
        metrics.tokensPerSecond = Float(self.settings.decodeTokensPerSecond)
        metrics.tokensGenerated = Int32(clamping: self.generatedTokens)
        metrics.promptTokensProcessed = Int32(clamping: self.computedTokens)
        return Self.answer(id, metrics)
    }

    /// Four bytes make a token: its number is those bytes, the first one lowest.
    static func tokenized(_ text: [UInt8]) -> TokenizationResponse {
        TokenizationResponse(
            tokens: stride(from: 0, to: text.count, by: PromptBlocks.tokenBytes).map { start in
                let bytes = text[start..<min(start + PromptBlocks.tokenBytes, text.count)]
                return Int32(bitPattern: bytes.reversed().reduce(0 as UInt32) { $0 << 8 | UInt32($1) })
            })
    }

    /// The text of which `tokenized` makes `tokens`; zero bytes at its end are taken for the rest of a short token.
    static func detokenized(_ tokens: [Int32]) -> DetokenizeResponse {
        var text: [UInt8] = []
        for token in tokens {
            for shift in [0, 8, 16, 24] as [UInt32] {
                text.append(UInt8(truncatingIfNeeded: UInt32(bitPattern: token) >> shift))
            }
        }
        while text.last == 0 { text.removeLast() }
        return DetokenizeResponse(content: text)
    }

    /// Eight numbers between -1 and 1, the same for the same text.
    static func embedding(of options: PredictOptions) -> EmbeddingResult {
        var text = options.embeddings
        for token in options.embeddingTokens { text += withBytes(of: token) }
        var state = PromptBlocks(text).digest
        var result = EmbeddingResult()
        result.embeddings = (0..<8).map { _ in
            state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
            return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
        }
        result.tokens = 1
        result.dimensions = 8
        result.promptTokens = Int32(clamping: PromptBlocks.tokens(ofBytes: text.count))
        result.layout = .final
        return result
    }

    private static func withBytes(of token: Int32) -> [UInt8] {
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: UInt32(bitPattern: token) >> $0) }
    }
}

extension WorkerAction {
    static func notLoaded(_ id: CallID) -> WorkerAction {
        .end(id, .failedPrecondition, "Model not loaded")
    }
}
