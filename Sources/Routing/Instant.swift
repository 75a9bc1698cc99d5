/// A moment on a clock that never steps back. Routing has no clock: every moment is handed in.
/// Two instants compare only when they come from the same clock.
public struct Instant: Comparable, Hashable, Sendable {
    /// Since the clock's own zero.
    public let nanoseconds: UInt64

    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    public init(milliseconds: UInt64) {
        self.nanoseconds = milliseconds * 1_000_000
    }

    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// This moment and `milliseconds` more.
    public func advanced(byMilliseconds milliseconds: UInt64) -> Instant {
        Instant(nanoseconds: self.nanoseconds + milliseconds * 1_000_000)
    }

    /// This moment and `nanoseconds` more.
    public func advanced(byNanoseconds nanoseconds: UInt64) -> Instant {
        Instant(nanoseconds: self.nanoseconds + nanoseconds)
    }

    /// Nanoseconds from `earlier` to this moment; zero when `earlier` is in fact later, as it may be by the little
    /// that passes between reading the clock and taking a lock.
    public func nanoseconds(since earlier: Instant) -> UInt64 {
        self.nanoseconds > earlier.nanoseconds ? self.nanoseconds - earlier.nanoseconds : 0
    }
}
