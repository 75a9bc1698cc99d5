/// The five bytes in front of every gRPC message: a flag and the length, most significant byte first.
///
///     │ 0 or 1: compressed │ length │ length │ length │ length │ message …
public struct GRPCFramePrefix: Sendable, Equatable {
    public static let byteCount = 5

    /// Whether the message is compressed, with what `grpc-encoding` names.
    public var isCompressed: Bool
    /// Bytes of the message.
    public var length: UInt32

    public init(isCompressed: Bool = false, length: UInt32) {
        self.isCompressed = isCompressed
        self.length = length
    }

    /// Reads the first five of `bytes`. Throws when there are five and the flag is neither 0 nor 1; nil when there are
    /// fewer.
    public init?(_ bytes: RawSpan) throws(GRPCFrameProblem) {
        guard bytes.byteCount >= Self.byteCount else { return nil }
        let flag = bytes.byte(at: 0)
        guard flag <= 1 else { throw .unknownFlag(flag) }
        self.isCompressed = flag == 1
        self.length = (1..<Self.byteCount).reduce(0) { $0 << 8 | UInt32(bytes.byte(at: $1)) }
    }

    /// Appends the five bytes to `bytes`.
    public func append(to bytes: inout [UInt8]) {
        bytes.append(self.isCompressed ? 1 : 0)
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: self.length >> shift)) }
    }
}

/// What is wrong with a gRPC stream's bytes.
public enum GRPCFrameProblem: Error, Sendable, Equatable {
    /// The first byte of a message is neither 0 nor 1: this is not gRPC.
    case unknownFlag(UInt8)
    /// The message says it is longer than this side accepts.
    case tooLong(UInt32)
    /// The stream ended inside a message; `missing` bytes were still to come, prefix included where known.
    case truncated(missing: Int)
}

/// Messages in the form that goes into DATA frames.
public enum GRPCFrame {
    /// The first message in `bytes`, a whole stream's body. Nil when there is none, it is cut short, or compressed.
    public static func firstMessage(of bytes: [UInt8]) -> [UInt8]? {
        guard let prefix = try? bytes.withRawSpan({ (span) throws(GRPCFrameProblem) in try GRPCFramePrefix(span) }),
            !prefix.isCompressed,
            bytes.count - GRPCFramePrefix.byteCount >= Int(prefix.length)
        else { return nil }
        return Array(bytes[GRPCFramePrefix.byteCount..<GRPCFramePrefix.byteCount + Int(prefix.length)])
    }

    /// `message` with its prefix. At most 2^32 - 1 bytes, which is more than any peer accepts.
    public static func framed(_ message: [UInt8], isCompressed: Bool = false) -> [UInt8] {
        guard let length = UInt32(exactly: message.count) else {
            preconditionFailure("a message of 4 GiB has no gRPC form")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(GRPCFramePrefix.byteCount + message.count)
        GRPCFramePrefix(isCompressed: isCompressed, length: length).append(to: &bytes)
        bytes += message
        return bytes
    }

    /// The message of a unary answer whose DATA frames held `bytes`; empty when they do not begin with one that is
    /// whole and uncompressed.
    public static func singleMessage(in bytes: [UInt8]) -> [UInt8] {
        let prefix = bytes.withRawSpan { bytes in try? GRPCFramePrefix(bytes) }
        guard let prefix, !prefix.isCompressed, bytes.count - GRPCFramePrefix.byteCount >= prefix.length else {
            return []
        }
        return Array(bytes[GRPCFramePrefix.byteCount..<(GRPCFramePrefix.byteCount + Int(prefix.length))])
    }
}
