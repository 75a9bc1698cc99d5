internal import CBackend
internal import CProtobufC

/// What LocalAI wants to know before its first text request to a model.
public struct ModelMetadataResponse: BackendMessage {
    public var supportsThinking: Bool
    /// The mark that stands for a picture in a prompt; empty for models of text.
    public var mediaMarker: [UInt8]

    public init(supportsThinking: Bool = false, mediaMarker: [UInt8] = []) {
        self.supportsThinking = supportsThinking
        self.mediaMarker = mediaMarker
    }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__model_metadata_response__unpack) { response in
            unsafe ModelMetadataResponse(
                supportsThinking: response.pointee.supports_thinking != 0,
                mediaMarker: response.pointee.media_marker.bytes)
        }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var response = unsafe Backend__ModelMetadataResponse()
            unsafe backend__model_metadata_response__init(&response)
            unsafe response.supports_thinking = self.supportsThinking ? 1 : 0
            unsafe response.media_marker = making.data(self.mediaMarker)
            return unsafe making.packed(
                &response, size: backend__model_metadata_response__get_packed_size,
                pack: backend__model_metadata_response__pack)
        }
    }
}
