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
/// Beside it, `forEachCachePart` shows everything that shapes a worker's cache, which is more: tools, names, calls and
/// attachments too.
///
/// Lent to a closure by `read…` and gone after it; it shows the bytes where they are and copies none.
/// Safe to use: it cannot be copied out of the closure, and its pointers never leave it.
@safe public struct PromptHint: ~Copyable {
    private let identity: UnsafeRawBufferPointer
    private let prompt: UnsafeRawBufferPointer
    /// Empty unless the text is made of messages.
    private let messages: UnsafeBufferPointer<UnsafeMutablePointer<Backend__Message>?>
    /// Rendered in front of the messages, if at all.
    private let tools: UnsafeRawBufferPointer
    private let toolChoice: UnsafeRawBufferPointer
    private let images: UnsafeBufferPointer<ProtobufCBinaryData>
    private let videos: UnsafeBufferPointer<ProtobufCBinaryData>
    private let audios: UnsafeBufferPointer<ProtobufCBinaryData>

    /// What a part of a prompt is for a cache.
    public enum CachePart: Sendable {
        /// Bytes of it, in any number of pieces.
        case text
        /// An image, a video or a sound: it fills a place in the cache, and its bytes are not text.
        case attachment
        /// Nothing; a message ends here, and the next turn of the conversation goes on from here.
        case messageEnd
    }

    /// Decodes `message`, the PredictOptions of a Predict or PredictStream without its gRPC prefix, and lends its hint
    /// to `body`.
    /// - Parameter arena: not in use by another message. Its limit bounds the memory; a prompt needs once its length.
    public static func readPredict<R>(
        _ message: RawSpan, in arena: MessageArena, _ body: (borrowing PromptHint) -> R
    ) throws(MessageProblem) -> R {
        try unsafe arena.decode(message, with: backend__predict_options__unpack) { options in
            unsafe body(PromptHint(options.pointee))
        }
    }

    /// Decodes the ScoreRequest of a Score and lends its hint to `body`. Its text is the part of the prompt that the
    /// caller says does not change between calls, or the whole prompt.
    public static func readScore<R>(
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
        unsafe self.tools = usesMessages ? options.tools.buffer : UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe self.toolChoice = usesMessages ? options.toolchoice.buffer : UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe self.images = UnsafeBufferPointer(
            start: options.images, count: options.images == nil ? 0 : options.n_images)
        unsafe self.videos = UnsafeBufferPointer(
            start: options.videos, count: options.videos == nil ? 0 : options.n_videos)
        unsafe self.audios = UnsafeBufferPointer(
            start: options.audios, count: options.audios == nil ? 0 : options.n_audios)
    }

    private init(_ request: Backend__ScoreRequest) {
        unsafe self.identity = request.modelidentity.buffer
        let prompt = unsafe request.prompt.buffer
        let stable = Int(unsafe request.stable_prefix_len)
        unsafe self.prompt = UnsafeRawBufferPointer(
            rebasing: stable > 0 ? prompt.prefix(stable) : prompt[...])
        unsafe self.messages = UnsafeBufferPointer(start: nil, count: 0)
        unsafe self.tools = UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe self.toolChoice = UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe self.images = UnsafeBufferPointer(start: nil, count: 0)
        unsafe self.videos = UnsafeBufferPointer(start: nil, count: 0)
        unsafe self.audios = UnsafeBufferPointer(start: nil, count: 0)
    }

    /// Whether there is any text to go by.
    public var hasText: Bool { self.textByteCount > 0 }

    /// Length of the text in bytes.
    public var textByteCount: Int {
        var count = unsafe self.prompt.count
        for index in unsafe self.messages.indices {
            guard let message = unsafe self.messages[index] else { continue }
            // A line feed after each.
            count += unsafe message.pointee.role.len + message.pointee.content.len + 2
        }
        return count
    }

    /// The model that the request means; empty means whichever is loaded.
    public func withModelIdentity<R>(_ body: (RawSpan) -> R) -> R {
        body(unsafe self.identity.bytes)
    }

    /// Calls `body` with every part of the text, in order. Parts may be empty.
    public func forEachTextPart(_ body: (RawSpan) -> Void) {
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

    /// Calls `body` with everything that shapes the cache, in the order in which templates render it, fields told apart
    /// by their lengths:
    ///
    ///     tools, tool choice │ role, name, call id, content, reasoning, calls │ … │ attachments that are left
    ///
    /// An attachment stands behind the user's message with its number, the first behind the first, as nobody says where
    /// it belongs: the same image asked about again is found again. Behind a prompt without messages stand all of them.
    public func forEachCachePart(_ body: (CachePart, RawSpan) -> Void) {
        if unsafe !self.prompt.isEmpty { body(.text, unsafe self.prompt.bytes) }
        var attachment = 0
        if unsafe !self.messages.isEmpty {
            unsafe Self.visit([self.tools, self.toolChoice], body)
            for index in unsafe self.messages.indices {
                guard let message = unsafe self.messages[index]?.pointee else { continue }
                unsafe Self.visit(
                    [
                        message.role.buffer, message.name.buffer, message.tool_call_id.buffer, message.content.buffer,
                        message.reasoning_content.buffer, message.tool_calls.buffer,
                    ], body)
                if unsafe message.role.buffer.elementsEqual("user".utf8) {
                    self.visitAttachment(attachment, body)
                    attachment += 1
                }
                body(.messageEnd, unsafe UnsafeRawBufferPointer(start: nil, count: 0).bytes)
            }
        }
        while self.visitAttachment(attachment, body) { attachment += 1 }
    }

    /// The fields' lengths, then the fields.
    private static func visit<let count: Int>(
        _ fields: InlineArray<count, UnsafeRawBufferPointer>, _ body: (CachePart, RawSpan) -> Void
    ) {
        var lengths = unsafe InlineArray<count, UInt32>(repeating: 0)
        for index in 0..<count { lengths[index] = UInt32(clamping: unsafe fields[index].count).littleEndian }
        unsafe body(.text, lengths.span.bytes)
        for index in 0..<count where unsafe !fields[index].isEmpty { body(.text, unsafe fields[index].bytes) }
    }

    /// Shows the attachment with this number, images first, then videos, then sounds. False when there is none.
    @discardableResult
    private func visitAttachment(_ number: Int, _ body: (CachePart, RawSpan) -> Void) -> Bool {
        var number = number
        for kind in 0..<3 {
            let list = unsafe kind == 0 ? self.images : kind == 1 ? self.videos : self.audios
            if number < list.count {
                body(.attachment, unsafe list[number].buffer.bytes)
                return true
            }
            number -= list.count
        }
        return false
    }
}

/// One line feed, as a span.
private func withLineFeed(_ body: (RawSpan) -> Void) {
    unsafe withUnsafeBytes(of: UInt8(ascii: "\n")) { body(unsafe $0.bytes) }
}
