/// Some of the headers that the proxy knows by name. A value without an allocation.
public struct HeaderTokenSet: Sendable, Equatable {
    /// The lowest bit, which would be `.other`'s, is never set.
    private var bits: UInt32

    public init(_ token: HeaderToken) { self.bits = Self.bit(of: token) & ~Self.bit(of: .other) }

    private init(bits: UInt32) { self.bits = bits }

    public static let none = Self(bits: 0)

    public func with(_ token: HeaderToken) -> Self { Self(bits: self.bits | Self(token).bits) }

    mutating func insert(_ token: HeaderToken) { self = self.with(token) }

    /// Headers that the proxy does not know are never in a set.
    public func contains(_ token: HeaderToken) -> Bool { self.bits & Self.bit(of: token) != 0 }

    private static func bit(of token: HeaderToken) -> UInt32 { 1 &<< UInt32(token.rawValue) }
}
