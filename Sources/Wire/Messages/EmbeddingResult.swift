internal import CBackend
internal import CProtobufC

/// A text as numbers, the answer to Embedding.
public struct EmbeddingResult: BackendMessage {
    /// Raw values are the protocol's.
    public enum Layout: Int32, Sendable, CaseIterable {
        case unspecified = 0
        /// One vector for the whole text.
        case final = 1
        /// `dimensions` values for each token.
        case perToken = 2
    }
    public var embeddings: [Float] = []
    public var tokens: Int32 = 0
    public var dimensions: Int32 = 0
    public var promptTokens: Int32 = 0
    /// A layout that the protocol does not have counts as unspecified.
    public var layout = Layout.unspecified

    public init() {}

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__embedding_result__unpack) {
            unsafe EmbeddingResult($0.pointee)
        }
    }

    private init(_ result: Backend__EmbeddingResult) {
        unsafe self.embeddings = repeated(result.embeddings, result.n_embeddings)
        unsafe self.tokens = result.tokens
        unsafe self.dimensions = result.dim
        unsafe self.promptTokens = result.prompt_tokens
        self.layout = Layout(rawValue: Int32(truncatingIfNeeded: unsafe result.layout.rawValue)) ?? .unspecified
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var result = unsafe Backend__EmbeddingResult()
            unsafe backend__embedding_result__init(&result)
            unsafe result.n_embeddings = self.embeddings.count
            unsafe result.embeddings = making.array(self.embeddings)
            unsafe result.tokens = self.tokens
            unsafe result.dim = self.dimensions
            unsafe result.prompt_tokens = self.promptTokens
            unsafe result.layout = .init(rawValue: .init(truncatingIfNeeded: self.layout.rawValue))
            return unsafe making.packed(
                &result, size: backend__embedding_result__get_packed_size, pack: backend__embedding_result__pack)
        }
    }
}
