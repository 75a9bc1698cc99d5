import Transport
import Wire

/// What a probe found. A slow answer is not a dead worker, so there are three.
public enum ProbeOutcome: Sendable, Equatable {
    /// It answered that it is well: `Health` with exactly OK, or `grpc.health.v1` with SERVING.
    case alive
    /// It did not answer in time, on a connection that is open.
    case busy
    /// No connection, a lost one, or an answer that is no Health. `refused`: nothing listens there.
    case unreachable(refused: Bool)

    /// The name that metrics and logs use.
    public var name: String {
        switch self {
        case .alive: "alive"
        case .busy: "busy"
        case .unreachable: "unreachable"
        }
    }

    init(_ answer: UnaryCall.Answer, _ asked: ProbeSettings.ProbeProtocol = .native) {
        switch answer {
        case .status(.ok, _, let message):
            let isWell =
                switch asked {
                case .native: Self.isOK(message)
                case .grpcHealth: Self.isServing(message)
                }
            self = isWell ? .alive : .unreachable(refused: false)
        // The worker is there and speaks gRPC; that it wants a token or knows no Health is an operator's problem, and
        // taking it out would hide the worker's own, better, error.
        case .status(.unavailable, _, _): self = .unreachable(refused: false)
        case .status(.deadlineExceeded, _, _): self = .busy
        case .status: self = .alive
        case .deadlineExceeded(let connected): self = connected ? .busy : .unreachable(refused: false)
        case .failed(.connectFailed(.refused)): self = .unreachable(refused: true)
        case .failed: self = .unreachable(refused: false)
        }
    }

    private static func isServing(_ message: [UInt8]) -> Bool {
        (try? HealthCheckResponse(decoding: message))?.status == .serving
    }

    private static func isOK(_ message: [UInt8]) -> Bool {
        (try? Reply(decoding: message))?.message == Array("OK".utf8)
    }
}
