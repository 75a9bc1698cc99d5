internal import CBackend
internal import CProtobufC

/// A text as token ids, the answer to TokenizeString.
public struct TokenizationResponse: BackendMessage {
    /// Number of tokens, as the worker counts them.
    public var length: Int32
    public var tokens: [Int32]

    public init(tokens: [Int32]) {
        self.length = Int32(clamping: tokens.count)
        self.tokens = tokens
    }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__tokenization_response__unpack) {
            unsafe TokenizationResponse($0.pointee)
        }
    }

    private init(_ response: Backend__TokenizationResponse) {
        unsafe self.length = response.length
        unsafe self.tokens = repeated(response.tokens, response.n_tokens)
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var response = unsafe Backend__TokenizationResponse()
            unsafe backend__tokenization_response__init(&response)
            unsafe response.length = self.length
            unsafe response.n_tokens = self.tokens.count
            unsafe response.tokens = making.array(self.tokens)
            return unsafe making.packed(
                &response, size: backend__tokenization_response__get_packed_size,
                pack: backend__tokenization_response__pack)
        }
    }
}
