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

    /// Compares once, by length first, so that most names cost one switch.
    static func of(_ name: UnsafeBufferPointer<UInt8>) -> HeaderToken {
        switch name.count {
        case 2: unsafe equal(name, "te") ? .te : .other
        case 4: unsafe equal(name, "host") ? .host : .other
        case 5: unsafe equal(name, ":path") ? .path : .other
        case 7:
            if unsafe equal(name, ":method") {
                .method
            } else if unsafe equal(name, ":scheme") {
                .scheme
            } else {
                unsafe equal(name, ":status") ? .status : .other
            }
        case 10:
            unsafe equal(name, ":authority") ? .authority : unsafe equal(name, "user-agent") ? .userAgent : .other
        case 11:
            unsafe equal(name, "grpc-status") ? .grpcStatus : unsafe equal(name, "traceparent") ? .traceParent : .other
        case 12:
            if unsafe equal(name, "content-type") {
                .contentType
            } else if unsafe equal(name, "grpc-timeout") {
                .grpcTimeout
            } else {
                unsafe equal(name, "grpc-message")
                    ? .grpcMessage : unsafe equal(name, "x-request-id") ? .requestID : .other
            }
        case 13: unsafe equal(name, "authorization") ? .authorization : .other
        case 16: unsafe equal(name, "x-homing-explain") ? .homingExplain : .other
        default: .other
        }
    }

    private static func equal(_ name: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
        guard let base = name.baseAddress, name.count == text.utf8CodeUnitCount else { return false }
        return unsafe memcmp(base, text.utf8Start, name.count) == 0
    }
}
