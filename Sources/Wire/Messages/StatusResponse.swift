internal import CBackend
internal import CProtobufC

/// What a worker says it is doing. Few workers implement it, and some confuse busy with ready.
public struct StatusResponse: BackendMessage {
    /// Raw values are the protocol's.
    public enum State: Int32, Sendable, CaseIterable {
        case error = -1
        case uninitialized = 0
        case busy = 1
        case ready = 2
    }
    /// Nil for a state that the protocol does not have.
    public var state: State?
    /// Bytes in use; 0 when the worker does not say.
    public var memoryBytes: UInt64

    public init(state: State, memoryBytes: UInt64 = 0) {
        self.state = state
        self.memoryBytes = memoryBytes
    }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__status_response__unpack) {
            unsafe StatusResponse($0.pointee)
        }
    }

    private init(_ status: Backend__StatusResponse) {
        // Every value of a C enum is some 32-bit pattern, whichever sign the importer gave it.
        self.state = State(rawValue: Int32(truncatingIfNeeded: unsafe status.state.rawValue))
        self.memoryBytes = unsafe status.memory?.pointee.total ?? 0
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var status = unsafe Backend__StatusResponse()
            unsafe backend__status_response__init(&status)
            unsafe status.state = .init(rawValue: .init(truncatingIfNeeded: (self.state ?? .uninitialized).rawValue))
            if self.memoryBytes > 0 {
                var memory = unsafe Backend__MemoryUsageData()
                unsafe backend__memory_usage_data__init(&memory)
                unsafe memory.total = self.memoryBytes
                unsafe status.memory = making.array([memory])
            }
            return unsafe making.packed(
                &status, size: backend__status_response__get_packed_size, pack: backend__status_response__pack)
        }
    }
}
