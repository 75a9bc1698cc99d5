internal import CBackend
internal import CProtobufC

/// An answer to Predict, one piece of a streamed answer, or the answer to Health.
public struct Reply: BackendMessage {
    /// The text. Health answers with exactly `OK`.
    public var message: [UInt8] = []
    /// Tokens generated so far, at least 0.
    public var tokens: Int32 = 0
    /// Tokens of the prompt, whether they were cached or not.
    public var promptTokens: Int32 = 0
    /// How long the prompt took, in milliseconds; small for a long prompt means that its head was cached.
    public var promptMs = 0.0
    /// How long generating took, in milliseconds.
    public var generationMs = 0.0
    /// Sound, from TTSStream.
    public var audio: [UInt8] = []
    /// JSON.
    public var logprobs: [UInt8] = []
    /// What this adds to a chat turn, from workers that parse their own output.
    public var chatDeltas: [ChatDelta] = []

    public init(
        message: [UInt8] = [], tokens: Int32 = 0, promptTokens: Int32 = 0, promptMs: Double = 0,
        generationMs: Double = 0
    ) {
        self.message = message
        self.tokens = tokens
        self.promptTokens = promptTokens
        self.promptMs = promptMs
        self.generationMs = generationMs
    }

    /// The answer of a worker in health, which LocalAI compares byte for byte.
    public static let healthy = Reply(message: Array("OK".utf8))

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__reply__unpack) { unsafe Reply($0.pointee) }
    }

    /// What a reply says about the work behind it. Copies nothing.
    public struct Work: Sendable, Equatable {
        /// As `Reply.promptTokens`.
        public let promptTokens: Int
        public let outputTokens: Int
        /// As `Reply.promptMs`.
        public let promptMs: Double
    }

    /// Reads only the numbers of an encoded reply, through a message that has no other fields.
    public static func work(in message: RawSpan, _ arena: MessageArena) throws(MessageProblem) -> Work {
        try unsafe arena.decode(message, with: homing__prompt__work__unpack) { work in
            unsafe Work(
                promptTokens: Int(work.pointee.prompt_tokens), outputTokens: Int(work.pointee.tokens),
                promptMs: work.pointee.timing_prompt_processing)
        }
    }

    private init(_ reply: Backend__Reply) {
        unsafe self.message = reply.message.bytes
        unsafe self.tokens = reply.tokens
        unsafe self.promptTokens = reply.prompt_tokens
        unsafe self.promptMs = reply.timing_prompt_processing
        unsafe self.generationMs = reply.timing_token_generation
        unsafe self.audio = reply.audio.bytes
        unsafe self.logprobs = reply.logprobs.bytes
        unsafe self.chatDeltas = repeated(reply.chat_deltas, reply.n_chat_deltas) { unsafe ChatDelta($0) }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var reply = unsafe Backend__Reply()
            unsafe backend__reply__init(&reply)
            unsafe reply.message = making.data(self.message)
            unsafe reply.tokens = self.tokens
            unsafe reply.prompt_tokens = self.promptTokens
            unsafe reply.timing_prompt_processing = self.promptMs
            unsafe reply.timing_token_generation = self.generationMs
            unsafe reply.audio = making.data(self.audio)
            unsafe reply.logprobs = making.data(self.logprobs)
            unsafe reply.n_chat_deltas = self.chatDeltas.count
            var empty = unsafe Backend__ChatDelta()
            unsafe backend__chat_delta__init(&empty)
            unsafe reply.chat_deltas = making.messages(self.chatDeltas, empty: empty) { delta, c in
                unsafe delta.fill(&c.pointee, making)
            }
            return unsafe making.packed(&reply, size: backend__reply__get_packed_size, pack: backend__reply__pack)
        }
    }
}

/// What one reply adds to a chat turn.
public struct ChatDelta: Sendable, Equatable {
    public var content: [UInt8] = []
    public var reasoningContent: [UInt8] = []
    public var toolCalls: [ToolCallDelta] = []

    /// A piece of a call that the model wants made.
    public struct ToolCallDelta: Sendable, Equatable {
        /// Which call of the turn, from 0.
        public var index: Int32 = 0
        public var id: [UInt8] = []
        public var name: [UInt8] = []
        /// JSON, in pieces.
        public var arguments: [UInt8] = []

        public init(index: Int32 = 0, id: [UInt8] = [], name: [UInt8] = [], arguments: [UInt8] = []) {
            self.index = index
            self.id = id
            self.name = name
            self.arguments = arguments
        }
    }

    public init(content: [UInt8] = [], reasoningContent: [UInt8] = [], toolCalls: [ToolCallDelta] = []) {
        self.content = content
        self.reasoningContent = reasoningContent
        self.toolCalls = toolCalls
    }

    fileprivate init(_ delta: Backend__ChatDelta) {
        unsafe self.content = delta.content.bytes
        unsafe self.reasoningContent = delta.reasoning_content.bytes
        unsafe self.toolCalls = repeated(delta.tool_calls, delta.n_tool_calls) { call in
            unsafe ToolCallDelta(
                index: call.index, id: call.id.bytes, name: call.name.bytes, arguments: call.arguments.bytes)
        }
    }

    fileprivate func fill(_ delta: inout Backend__ChatDelta, _ making: MessageMaking) {
        unsafe delta.content = making.data(self.content)
        unsafe delta.reasoning_content = making.data(self.reasoningContent)
        unsafe delta.n_tool_calls = self.toolCalls.count
        var empty = unsafe Backend__ToolCallDelta()
        unsafe backend__tool_call_delta__init(&empty)
        unsafe delta.tool_calls = making.messages(self.toolCalls, empty: empty) { call, c in
            unsafe c.pointee.index = call.index
            unsafe c.pointee.id = making.data(call.id)
            unsafe c.pointee.name = making.data(call.name)
            unsafe c.pointee.arguments = making.data(call.arguments)
        }
    }
}
