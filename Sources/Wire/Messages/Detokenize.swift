internal import CBackend
internal import CProtobufC

/// Token ids to turn back into text.
public struct DetokenizeRequest: BackendMessage {
    public var tokens: [Int32]

    public init(tokens: [Int32]) {
        self.tokens = tokens
    }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__detokenize_request__unpack) { request in
            unsafe DetokenizeRequest(tokens: repeated(request.pointee.tokens, request.pointee.n_tokens))
        }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var request = unsafe Backend__DetokenizeRequest()
            unsafe backend__detokenize_request__init(&request)
            unsafe request.n_tokens = self.tokens.count
            unsafe request.tokens = making.array(self.tokens)
            return unsafe making.packed(
                &request, size: backend__detokenize_request__get_packed_size,
                pack: backend__detokenize_request__pack)
        }
    }
}

/// The text of token ids.
public struct DetokenizeResponse: BackendMessage {
    public var content: [UInt8]

    public init(content: [UInt8]) {
        self.content = content
    }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__detokenize_response__unpack) { response in
            unsafe DetokenizeResponse(content: response.pointee.content.bytes)
        }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var response = unsafe Backend__DetokenizeResponse()
            unsafe backend__detokenize_response__init(&response)
            unsafe response.content = making.data(self.content)
            return unsafe making.packed(
                &response, size: backend__detokenize_response__get_packed_size,
                pack: backend__detokenize_response__pack)
        }
    }
}
