/// The seventeen results of a gRPC call. Raw values are those of the `grpc-status` trailer.
public enum GRPCStatusCode: UInt8, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// Reads the value of a `grpc-status` field: a number from 0 to 16 in decimal, without sign, space or leading zero.
    /// Nil for anything else, which a caller treats as `unknown` (the gRPC protocol over HTTP/2, Responses).
    public init?(text: RawSpan) {
        let digits = text.byteCount
        guard digits == 1 || digits == 2 else { return nil }
        var value: UInt8 = 0
        for offset in 0..<digits {
            let digit = text.byte(at: offset) &- UInt8(ascii: "0")
            guard digit <= 9, digits == 1 || offset > 0 || digit > 0 else { return nil }
            value = value * 10 + digit
        }
        self.init(rawValue: value)
    }

    /// The value of a `grpc-status` field.
    public var text: String { String(self.rawValue) }

    /// The name that logs and metrics use, as in the gRPC documents.
    public var name: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }
}
