internal import CBackend
internal import CProtobufC

/// Token ids to turn back into text.
package struct DetokenizeRequest: BackendMessage {
    package var tokens: [Int32]

    package init(tokens: [Int32]) {
        self.tokens = tokens
    }

    package init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__detokenize_request__unpack) { request in
            unsafe DetokenizeRequest(tokens: repeated(request.pointee.tokens, request.pointee.n_tokens))
        }
    }

    package func encoded() -> [UInt8] {
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
package struct DetokenizeResponse: BackendMessage {
    package var content: [UInt8]

    package init(content: [UInt8]) {
        self.content = content
    }

    package init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__detokenize_response__unpack) { response in
            unsafe DetokenizeResponse(content: response.pointee.content.bytes)
        }
    }

    package func encoded() -> [UInt8] {
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
