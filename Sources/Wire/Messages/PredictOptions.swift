internal import CBackend
internal import CProtobufC

/// A prompt and how to continue it; also the request of Embedding and TokenizeString.
///
/// Holds the fields that Homing makes or its worker obeys; the rest are dropped in decoding. The proxy forwards the
/// bytes it received and routes by `PromptHint`, so nothing is lost there.
public struct PredictOptions: BackendMessage {
    /// The rendered prompt. Ignored when `usesTokenizerTemplate` is set and there are messages.
    public var prompt: [UInt8] = []
    /// Most tokens to generate; 0 goes on without end, as far as the worker is concerned.
    public var tokens: Int32 = 0
    /// Whether the prompt may be taken from and left in the KV cache.
    public var promptCacheAll = false
    public var usesTokenizerTemplate = false
    public var messages: [ChatMessage] = []
    /// The text of an Embedding request.
    public var embeddings: [UInt8] = []
    /// The tokens of an Embedding request that has no text.
    public var embeddingTokens: [Int32] = []
    /// JSON, as is `toolChoice`; both shape a templated prompt.
    public var tools: [UInt8] = []
    public var toolChoice: [UInt8] = []
    /// The model that the caller means; empty means whichever is loaded.
    public var modelIdentity: [UInt8] = []

    public init() {}

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__predict_options__unpack) {
            unsafe PredictOptions($0.pointee)
        }
    }

    private init(_ options: Backend__PredictOptions) {
        unsafe self.prompt = options.prompt.bytes
        unsafe self.tokens = options.tokens
        unsafe self.promptCacheAll = options.promptcacheall != 0
        unsafe self.usesTokenizerTemplate = options.usetokenizertemplate != 0
        unsafe self.messages = repeated(options.messages, options.n_messages) { unsafe ChatMessage($0) }
        unsafe self.embeddings = options.embeddings.bytes
        unsafe self.embeddingTokens = repeated(options.embeddingtokens, options.n_embeddingtokens)
        unsafe self.tools = options.tools.bytes
        unsafe self.toolChoice = options.toolchoice.bytes
        unsafe self.modelIdentity = options.modelidentity.bytes
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var options = unsafe Backend__PredictOptions()
            unsafe backend__predict_options__init(&options)
            unsafe options.prompt = making.data(self.prompt)
            unsafe options.tokens = self.tokens
            unsafe options.promptcacheall = self.promptCacheAll ? 1 : 0
            unsafe options.usetokenizertemplate = self.usesTokenizerTemplate ? 1 : 0
            unsafe options.n_messages = self.messages.count
            var empty = unsafe Backend__Message()
            unsafe backend__message__init(&empty)
            unsafe options.messages = making.messages(self.messages, empty: empty) { message, c in
                unsafe message.fill(&c.pointee, making)
            }
            unsafe options.embeddings = making.data(self.embeddings)
            unsafe options.n_embeddingtokens = self.embeddingTokens.count
            unsafe options.embeddingtokens = making.array(self.embeddingTokens)
            unsafe options.tools = making.data(self.tools)
            unsafe options.toolchoice = making.data(self.toolChoice)
            unsafe options.modelidentity = making.data(self.modelIdentity)
            return unsafe making.packed(
                &options, size: backend__predict_options__get_packed_size, pack: backend__predict_options__pack)
        }
    }
}

/// One turn of a conversation, flattened to text: the protocol's `Message`.
public struct ChatMessage: Sendable, Equatable {
    public var role: [UInt8] = []
    public var content: [UInt8] = []
    public var name: [UInt8] = []
    public var toolCallId: [UInt8] = []
    public var reasoningContent: [UInt8] = []
    /// JSON.
    public var toolCalls: [UInt8] = []

    public init(role: [UInt8], content: [UInt8]) {
        self.role = role
        self.content = content
    }

    fileprivate init(_ message: Backend__Message) {
        unsafe self.role = message.role.bytes
        unsafe self.content = message.content.bytes
        unsafe self.name = message.name.bytes
        unsafe self.toolCallId = message.tool_call_id.bytes
        unsafe self.reasoningContent = message.reasoning_content.bytes
        unsafe self.toolCalls = message.tool_calls.bytes
    }

    fileprivate func fill(_ message: inout Backend__Message, _ making: MessageMaking) {
        unsafe message.role = making.data(self.role)
        unsafe message.content = making.data(self.content)
        unsafe message.name = making.data(self.name)
        unsafe message.tool_call_id = making.data(self.toolCallId)
        unsafe message.reasoning_content = making.data(self.reasoningContent)
        unsafe message.tool_calls = making.data(self.toolCalls)
    }
}
