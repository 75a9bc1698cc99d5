internal import CBackend
internal import CProtobufC

/// A text as token ids, the answer to TokenizeString.
package struct TokenizationResponse: BackendMessage {
    /// Number of tokens, as the worker counts them.
    package var length: Int32
    package var tokens: [Int32]

    package init(tokens: [Int32]) {
        self.length = Int32(clamping: tokens.count)
        self.tokens = tokens
    }

    package init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__tokenization_response__unpack) {
            unsafe TokenizationResponse($0.pointee)
        }
    }

    private init(_ response: Backend__TokenizationResponse) {
        unsafe self.length = response.length
        unsafe self.tokens = repeated(response.tokens, response.n_tokens)
    }

    package func encoded() -> [UInt8] {
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
