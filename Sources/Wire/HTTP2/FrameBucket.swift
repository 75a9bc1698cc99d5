/// A token bucket: so many per second, ten seconds' worth at once. Time comes in as an argument.
struct FrameBucket {
    private let perSecond: Int
    /// In millionths of a frame, so that small rates gain between two frames as well.
    private var tokens: Int
    private var filledNs: UInt64 = 0

    private static let unit = 1_000_000
    private static let burstSeconds = 10

    init(perSecond: Int) {
        self.perSecond = max(1, perSecond)
        self.tokens = self.perSecond * Self.burstSeconds * Self.unit
    }

    private var capacity: Int { self.perSecond * Self.burstSeconds * Self.unit }

    /// Takes one. False when there is none.
    mutating func take(at nowNs: UInt64) -> Bool {
        // A full bucket gains nothing: time counts from the first frame.
        if self.filledNs == 0 { self.filledNs = max(1, nowNs) }
        if self.tokens < Self.unit { self.fill(at: nowNs) }
        guard self.tokens >= Self.unit else { return false }
        self.tokens -= Self.unit
        return true
    }

    /// So many more may come: the peer had a reason for them.
    mutating func give(_ count: Int) {
        let frames = min(count, self.perSecond * Self.burstSeconds)
        self.tokens = min(self.capacity, self.tokens + frames * Self.unit)
    }

    private mutating func fill(at nowNs: UInt64) {
        defer { self.filledNs = nowNs }
        guard nowNs > self.filledNs else { return }
        let micros = Int(min((nowNs - self.filledNs) / 1_000, UInt64(Self.burstSeconds) * 1_000_000))
        self.tokens = min(self.capacity, self.tokens + micros * self.perSecond)
    }
}
