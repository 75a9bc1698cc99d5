/// Some of the headers that the proxy knows by name. A value without an allocation.
public struct HeaderTokenSet: Sendable, Equatable {
    private var bits: UInt32

    public init(_ token: HeaderToken) { self.bits = 1 << UInt32(token.rawValue) }

    private init(bits: UInt32) { self.bits = bits }

    public static let none = Self(bits: 0)

    public func with(_ token: HeaderToken) -> Self { Self(bits: self.bits | Self(token).bits) }

    /// Headers that the proxy does not know are never in a set.
    public func contains(_ token: HeaderToken) -> Bool {
        token != .other && self.bits & (1 << UInt32(token.rawValue)) != 0
    }
}
