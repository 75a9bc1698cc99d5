internal import CBackend
internal import CProtobufC

/// What a request says about where it should go: the model it means, and the text whose head a replica may have cached.
///
/// The text is LocalAI's rule (`core/backend/llm.go`), so that chains agree with those of its own routers:
///
///     UseTokenizerTemplate, Messages, no Prompt   for each message: role LF content LF
///     Prompt                                      Prompt
///     neither                                     nothing: such a request goes to the least loaded
///
/// Lent to a closure by `read…` and gone after it; it shows the bytes where they are and copies none.
/// Safe to use: it cannot be copied out of the closure, and its pointers never leave it.
@safe package struct PromptHint: ~Copyable {
    private let identity: UnsafeRawBufferPointer
    private let prompt: UnsafeRawBufferPointer
    /// Empty unless the text is made of messages.
    private let messages: UnsafeBufferPointer<UnsafeMutablePointer<Backend__Message>?>

    /// Decodes `message`, the PredictOptions of a Predict or PredictStream without its gRPC prefix, and lends its hint
    /// to `body`.
    /// - Parameter arena: not in use by another message. Its limit bounds the memory; a prompt needs once its length.
    package static func readPredict<R>(
        _ message: RawSpan, in arena: MessageArena, _ body: (borrowing PromptHint) -> R
    ) throws(MessageProblem) -> R {
        try unsafe arena.decode(message, with: backend__predict_options__unpack) { options in
            unsafe body(PromptHint(options.pointee))
        }
    }

    /// Decodes the ScoreRequest of a Score and lends its hint to `body`. Its text is the part of the prompt that the
    /// caller says does not change between calls, or the whole prompt.
    package static func readScore<R>(
        _ message: RawSpan, in arena: MessageArena, _ body: (borrowing PromptHint) -> R
    ) throws(MessageProblem) -> R {
        try unsafe arena.decode(message, with: backend__score_request__unpack) { request in
            unsafe body(PromptHint(request.pointee))
        }
    }

    private init(_ options: Backend__PredictOptions) {
        unsafe self.identity = options.modelidentity.buffer
        unsafe self.prompt = options.prompt.buffer
        let usesMessages = unsafe options.usetokenizertemplate != 0 && options.prompt.len == 0
        unsafe self.messages = UnsafeBufferPointer(
            start: usesMessages ? options.messages : nil,
            count: usesMessages && options.messages != nil ? options.n_messages : 0)
    }

    private init(_ request: Backend__ScoreRequest) {
        unsafe self.identity = request.modelidentity.buffer
        let prompt = unsafe request.prompt.buffer
        let stable = Int(unsafe request.stable_prefix_len)
        unsafe self.prompt = UnsafeRawBufferPointer(
            rebasing: stable > 0 ? prompt.prefix(stable) : prompt[...])
        unsafe self.messages = UnsafeBufferPointer(start: nil, count: 0)
    }

    /// Whether there is any text to go by.
    package var hasText: Bool { self.textByteCount > 0 }

    /// Length of the text in bytes.
    package var textByteCount: Int {
        var count = unsafe self.prompt.count
        for index in unsafe self.messages.indices {
            guard let message = unsafe self.messages[index] else { continue }
            // A line feed after each.
            count += unsafe message.pointee.role.len + message.pointee.content.len + 2
        }
        return count
    }

    /// The model that the request means; empty means whichever is loaded.
    package func withModelIdentity<R>(_ body: (RawSpan) -> R) -> R {
        body(unsafe self.identity.bytes)
    }

    /// Calls `body` with every part of the text, in order. Parts may be empty.
    package func forEachTextPart(_ body: (RawSpan) -> Void) {
        if unsafe !self.prompt.isEmpty { body(unsafe self.prompt.bytes) }
        guard unsafe !self.messages.isEmpty else { return }
        withLineFeed { lineFeed in
            for index in unsafe self.messages.indices {
                guard let message = unsafe self.messages[index] else { continue }
                body(unsafe message.pointee.role.buffer.bytes)
                body(lineFeed)
                body(unsafe message.pointee.content.buffer.bytes)
                body(lineFeed)
            }
        }
    }
}

/// One line feed, as a span.
private func withLineFeed(_ body: (RawSpan) -> Void) {
    unsafe withUnsafeBytes(of: UInt8(ascii: "\n")) { body(unsafe $0.bytes) }
}
