internal import Wire

/// The calls of `grpc.health.v1.Health`, by which Kubernetes and gRPC callers ask whether a server is well.
enum GRPCHealthMethod: Sendable, Equatable {
    case check, watch, list

    /// The call that `path` names; nil for every other.
    init?(path: RawSpan) {
        guard path.starts(with: "/grpc.health.v1.Health/") else { return nil }
        if path.equals("/grpc.health.v1.Health/Check") {
            self = .check
        } else if path.equals("/grpc.health.v1.Health/Watch") {
            self = .watch
        } else if path.equals("/grpc.health.v1.Health/List") {
            self = .list
        } else {
            return nil
        }
    }
}
