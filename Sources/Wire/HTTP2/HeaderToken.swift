import Glibc

/// A header whose name the proxy acts on. Every other header is `.other` and is relayed unread.
public enum HeaderToken: UInt8, Sendable {
    case other
    case method
    case scheme
    case authority
    case path
    case status
    case contentType
    case te
    case userAgent
    case grpcTimeout
    case grpcStatus
    case grpcMessage
    case homingExplain
    case authorization
    case host
    case requestID
    case traceParent

    /// What a name is.
    @safe struct Found {
        let token: HeaderToken
        /// The same name among the program's own constants, so that a known one need not be kept; nil for `.other`.
        let text: UnsafeMutablePointer<UInt8>?

        static var other: Self { unsafe Self(token: .other, text: nil) }

        /// `token` when `name`, which is as long as `text`, is that.
        @inline(__always)
        init?(_ name: UnsafePointer<UInt8>, _ text: StaticString, _ token: HeaderToken) {
            // A length that is a constant makes this two comparisons of words, and no call.
            guard unsafe memcmp(name, text.utf8Start, text.utf8CodeUnitCount) == 0 else { return nil }
            unsafe self.init(token: token, text: UnsafeMutablePointer(mutating: text.utf8Start))
        }

        private init(token: HeaderToken, text: UnsafeMutablePointer<UInt8>?) {
            self.token = token
            unsafe self.text = text
        }
    }

    /// Compares once, by length first, so that most names cost one switch.
    @inline(__always)
    static func of(_ name: UnsafePointer<UInt8>, count: Int) -> Found {
        let found: Found? =
            switch count {
            case 2: unsafe Found(name, "te", .te)
            case 4: unsafe Found(name, "host", .host)
            case 5: unsafe Found(name, ":path", .path)
            case 7:
                unsafe Found(name, ":method", .method) ?? Found(name, ":scheme", .scheme)
                    ?? Found(name, ":status", .status)
            case 10: unsafe Found(name, ":authority", .authority) ?? Found(name, "user-agent", .userAgent)
            case 11: unsafe Found(name, "grpc-status", .grpcStatus) ?? Found(name, "traceparent", .traceParent)
            case 12:
                unsafe Found(name, "content-type", .contentType) ?? Found(name, "grpc-timeout", .grpcTimeout)
                    ?? Found(name, "grpc-message", .grpcMessage) ?? Found(name, "x-request-id", .requestID)
            case 13: unsafe Found(name, "authorization", .authorization)
            case 16: unsafe Found(name, "x-homing-explain", .homingExplain)
            default: nil
            }
        return found ?? .other
    }

    /// Every caller sends this header, and with few values.
    func isOrdinary(valueBytes: Int) -> Bool {
        switch self {
        case .method, .scheme, .authority, .path, .te, .userAgent, .status: true
        case .contentType: valueBytes == 16
        case .other, .grpcTimeout, .grpcStatus, .grpcMessage, .homingExplain, .authorization, .host, .requestID,
            .traceParent:
            false
        }
    }
}
