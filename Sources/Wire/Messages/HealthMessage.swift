internal import CBackend
internal import CProtobufC

/// Asks for nothing: the request of Health, Free and Status. GetMetrics' request is as empty.
public struct HealthMessage: BackendMessage {
    public init() {}

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        try unsafe arena.decode(message, with: backend__health_message__unpack) { _ in () }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var message = unsafe Backend__HealthMessage()
            unsafe backend__health_message__init(&message)
            return unsafe making.packed(
                &message, size: backend__health_message__get_packed_size, pack: backend__health_message__pack)
        }
    }
}
