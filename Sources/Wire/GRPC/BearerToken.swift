/// A token that one side proves itself with, as `authorization: Bearer TOKEN` carries it. Printed as `<set>` everywhere.
public struct BearerToken: Sendable, Hashable {
    /// Where it came from. This may be shown.
    public enum Origin: Sendable, Hashable {
        /// Name of an environment variable.
        case environment(String)
        /// Path of a file.
        case file(String)
    }

    public let origin: Origin
    /// `Bearer TOKEN`.
    private let header: [UInt8]
    private static let scheme: StaticString = "Bearer "

    public init(_ token: String, from origin: Origin) {
        self.header = Array("\(Self.scheme)\(token)".utf8)
        self.origin = origin
    }

    /// The value of the header. Whoever calls this must not print or log it.
    public func revealHeader() -> [UInt8] { self.header }

    /// The token itself. Whoever calls this must not print or log it.
    public func reveal() -> String {
        String(decoding: self.header[Self.scheme.utf8CodeUnitCount...], as: UTF8.self)
    }

    /// Whether a header can carry it: visible ASCII without spaces.
    public var isSendable: Bool {
        self.header.dropFirst(Self.scheme.utf8CodeUnitCount).allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// Whether a header's value is this token. Takes as long for a wrong one as for the right one: every byte is looked
    /// at, whatever came before it. Only the length, which is no secret, may be told from the time.
    public func matches(_ value: RawSpan) -> Bool {
        guard value.byteCount == self.header.count else { return false }
        var difference: UInt8 = 0
        for index in self.header.indices { difference |= self.header[index] ^ value.byte(at: index) }
        return difference == 0
    }

    /// Whether a header's value is of the scheme at all. Exact, with one space, as workers look at it.
    public static func hasScheme(_ value: RawSpan) -> Bool {
        value.starts(with: self.scheme) && value.byteCount > self.scheme.utf8CodeUnitCount
    }
}

extension BearerToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<set>" }
    public var debugDescription: String { "<set>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
