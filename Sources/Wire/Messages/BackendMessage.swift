internal import CProtobufC

/// A message of the worker protocol as a plain value. libprotobuf-c decodes and encodes it; no pointer comes out.
///
/// Text is bytes, as on the wire: whether it is UTF-8, or holds a zero byte, changes nothing here.
public protocol BackendMessage: Sendable, Equatable {
    /// Decodes `message`, the bytes of one gRPC message without its prefix. Unknown fields are dropped.
    /// - Parameter arena: not in use by another message; its limit bounds the memory that decoding takes.
    init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem)

    /// The message in wire form, without a gRPC prefix. Fields with their default value take no bytes.
    func encoded() -> [UInt8]
}

extension BackendMessage {
    /// Decodes `message` in memory of its own, for callers that are not on a loop.
    public init(decoding message: RawSpan) throws(MessageProblem) {
        try self.init(decoding: message, in: MessageArena(retained: 0))
    }

    /// The same for bytes in an array.
    public init(decoding message: [UInt8]) throws(MessageProblem) {
        self = try message.withRawSpan { bytes throws(MessageProblem) in try Self(decoding: bytes) }
    }
}

/// Room for the C side of a message that is being made: what the C struct points to lives here until it is packed.
///
/// Safe to use: it owns its arena for the length of one `make`, and only Wire sees the pointers.
@safe struct MessageMaking {
    private let arena: MessageArena

    /// Runs `body`, which fills a C message and returns it packed.
    static func make(_ body: (MessageMaking) -> [UInt8]) -> [UInt8] {
        let arena = MessageArena(limit: .max, retained: 0)
        return arena.build { body(MessageMaking(arena: arena)) }
    }

    /// A copy of `bytes` for a `bytes` field.
    func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
        guard !bytes.isEmpty else { return unsafe ProtobufCBinaryData(len: 0, data: nil) }
        let copy = unsafe self.array(bytes)
        return unsafe ProtobufCBinaryData(len: bytes.count, data: copy)
    }

    /// A copy of `values` for a repeated field. Nil when there are none.
    func array<T>(_ values: [T]) -> UnsafeMutablePointer<T>? {
        guard !values.isEmpty else { return nil }
        guard let copy = unsafe self.arena.room(for: values.count, of: T.self) else {
            preconditionFailure("out of memory while making a message")
        }
        for (offset, value) in values.enumerated() { unsafe (copy + offset).initialize(to: value) }
        return unsafe copy
    }

    /// The `bytes` values of a repeated field. Nil when there are none.
    func list(_ values: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
        unsafe self.array(values.map { unsafe self.data($0) })
    }

    /// The messages of a repeated field: each is initialised by `initialise` and filled by `fill`.
    func messages<Value, C>(
        _ values: [Value], empty: C, _ fill: (Value, UnsafeMutablePointer<C>) -> Void
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<C>?>? {
        unsafe self.array(
            values.map { value -> UnsafeMutablePointer<C>? in
                let message = unsafe self.array([empty])
                if let message = unsafe message { unsafe fill(value, message) }
                return unsafe message
            })
    }

    /// `message` in wire form, by two of protoc-c's functions for its type.
    func packed<C>(
        _ message: inout C, size: (UnsafePointer<C>?) -> Int,
        pack: (UnsafePointer<C>?, UnsafeMutablePointer<UInt8>?) -> Int
    ) -> [UInt8] {
        let count = unsafe size(&message)
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { bytes, written in
            written = unsafe pack(&message, bytes.baseAddress)
        }
    }
}

extension ProtobufCBinaryData {
    /// What the field holds, in place: valid as long as the message is.
    var buffer: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: self.data, count: self.len) }

    /// A copy of what the field holds.
    var bytes: [UInt8] { unsafe [UInt8](self.buffer) }
}

/// The values of a repeated message field, each made by `value`.
func repeated<C, Value>(
    _ messages: UnsafeMutablePointer<UnsafeMutablePointer<C>?>?, _ count: Int, _ value: (C) -> Value
) -> [Value] {
    unsafe UnsafeBufferPointer(start: messages, count: messages == nil ? 0 : count).compactMap { message in
        guard let message = unsafe message else { return nil }
        return unsafe value(message.pointee)
    }
}

/// The values of a repeated `bytes` field.
func repeated(_ values: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int) -> [[UInt8]] {
    unsafe UnsafeBufferPointer(start: values, count: values == nil ? 0 : count).map { unsafe $0.bytes }
}

/// The values of a repeated number field.
func repeated<Number: BitwiseCopyable>(_ values: UnsafeMutablePointer<Number>?, _ count: Int) -> [Number] {
    unsafe [Number](UnsafeBufferPointer(start: values, count: values == nil ? 0 : count))
}
