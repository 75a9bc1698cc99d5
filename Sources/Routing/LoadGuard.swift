/// Says when a replica has too many streams, compared with the least busy one, to be kept for its cache alone.
public struct LoadGuard: Equatable, Sendable {
    /// Streams above the least busy one. At least 0.
    public var absolute: Int
    /// Times the least busy one's streams, plus one. At least 1.
    public var relative: Double

    public init(absolute: Int, relative: Double) {
        self.absolute = absolute
        self.relative = relative
    }

    /// Whether a replica with `inFlight` streams is admissible when the least busy one has `least`. The least busy one
    /// itself always is.
    public func admits(_ inFlight: Int, least: Int) -> Bool {
        inFlight - least <= self.absolute && Double(inFlight) <= Double(least) * self.relative + 1
    }
}
