internal import CBackend
internal import CProtobufC

/// Asks `grpc.health.v1.Health` about a service; an empty name means the whole server.
public struct HealthCheckRequest: BackendMessage {
    public var service: [UInt8] = []

    public init() {}

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self.service = try unsafe arena.decode(message, with: grpc_health__health_check_request__unpack) {
            unsafe $0.pointee.service.bytes
        }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var request = unsafe GrpcHealth__HealthCheckRequest()
            unsafe grpc_health__health_check_request__init(&request)
            unsafe request.service = making.data(self.service)
            return unsafe making.packed(
                &request, size: grpc_health__health_check_request__get_packed_size,
                pack: grpc_health__health_check_request__pack)
        }
    }
}

/// What `grpc.health.v1.Health` says about a service.
public struct HealthCheckResponse: BackendMessage {
    public enum Status: Int32, Sendable {
        case unknown = 0
        case serving = 1
        case notServing = 2
        /// Only in answers to Watch; Check says NOT_FOUND.
        case serviceUnknown = 3
    }

    public var status: Status

    public init(_ status: Status) { self.status = status }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        let number = try unsafe arena.decode(message, with: grpc_health__health_check_response__unpack) {
            unsafe $0.pointee.status
        }
        self.status = Status(rawValue: number) ?? .unknown
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var response = unsafe Self.filled(self.status)
            return unsafe making.packed(
                &response, size: grpc_health__health_check_response__get_packed_size,
                pack: grpc_health__health_check_response__pack)
        }
    }

    fileprivate static func filled(_ status: Status) -> GrpcHealth__HealthCheckResponse {
        var response = unsafe GrpcHealth__HealthCheckResponse()
        unsafe grpc_health__health_check_response__init(&response)
        unsafe response.status = status.rawValue
        return unsafe response
    }
}

/// Every service that `grpc.health.v1.Health` knows, with what it says about it.
public struct HealthListResponse: BackendMessage {
    public struct Entry: Sendable, Equatable {
        public var service: [UInt8]
        public var status: HealthCheckResponse.Status

        public init(service: [UInt8], status: HealthCheckResponse.Status) {
            self.service = service
            self.status = status
        }
    }

    public var entries: [Entry] = []

    public init(_ entries: [Entry]) { self.entries = entries }

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self.entries = try unsafe arena.decode(message, with: grpc_health__health_list_response__unpack) { list in
            unsafe repeated(list.pointee.statuses, list.pointee.n_statuses) { entry in
                let number = unsafe entry.value?.pointee.status ?? 0
                return unsafe Entry(
                    service: entry.key.bytes, status: HealthCheckResponse.Status(rawValue: number) ?? .unknown)
            }
        }
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var list = unsafe GrpcHealth__HealthListResponse()
            unsafe grpc_health__health_list_response__init(&list)
            unsafe list.n_statuses = self.entries.count
            var empty = unsafe GrpcHealth__HealthListEntry()
            unsafe grpc_health__health_list_entry__init(&empty)
            unsafe list.statuses = making.messages(self.entries, empty: empty) { entry, c in
                unsafe c.pointee.key = making.data(entry.service)
                unsafe c.pointee.value = making.array([HealthCheckResponse.filled(entry.status)])
            }
            return unsafe making.packed(
                &list, size: grpc_health__health_list_response__get_packed_size,
                pack: grpc_health__health_list_response__pack)
        }
    }
}
