internal import CBackend
internal import CProtobufC

/// Whether an order such as LoadModel was carried out: the protocol's `Result`.
///
/// Some workers report a failed load with status OK and `success` false, so the status alone is not the answer.
public struct BackendResult: BackendMessage {
    /// For a person to read; ill-formed UTF-8 is replaced.
    public var message: String
    public var success: Bool

    public init(success: Bool, message: String = "") {
        self.message = message
        self.success = success
    }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__result__unpack) { result in
            unsafe BackendResult(
                success: result.pointee.success != 0,
                message: String(decoding: result.pointee.message.buffer, as: UTF8.self))
        }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var result = unsafe Backend__Result()
            unsafe backend__result__init(&result)
            unsafe result.message = making.data(Array(self.message.utf8))
            unsafe result.success = self.success ? 1 : 0
            return unsafe making.packed(&result, size: backend__result__get_packed_size, pack: backend__result__pack)
        }
    }
}
