/// What the streams of one replica told lately: counts in two halves of a window, and the last first responses.
struct OutlierWindow: Sendable {
    private var current = Half()
    private var previous = Half()
    private var beganNs: UInt64 = 0
    /// The last ones, in no order.
    private var firstResponses: [UInt64] = []
    private var nextResponse = 0

    private struct Half: Sendable {
        var streams = 0
        var errors = 0
    }

    private static let mostResponses = 64

    var streams: Int { self.current.streams + self.previous.streams }
    var errors: Int { self.current.errors + self.previous.errors }
    var errorShare: Double { Double(self.errors) / Double(max(1, self.streams)) }

    /// Nil when there are fewer than `count`.
    func medianFirstResponseNs(atLeast count: Int) -> UInt64? {
        guard self.firstResponses.count >= min(count, Self.mostResponses) else { return nil }
        return self.firstResponses.sorted()[self.firstResponses.count / 2]
    }

    mutating func record(isError: Bool, firstResponseNs: UInt64?, lengthMs: Int, at nowNs: UInt64) {
        self.age(lengthMs: lengthMs, at: nowNs)
        self.current.streams += 1
        if isError { self.current.errors += 1 }
        guard let firstResponseNs else { return }
        if self.firstResponses.count < Self.mostResponses {
            self.firstResponses.append(firstResponseNs)
        } else {
            self.firstResponses[self.nextResponse] = firstResponseNs
            self.nextResponse = (self.nextResponse + 1) % Self.mostResponses
        }
    }

    mutating func age(lengthMs: Int, at nowNs: UInt64) {
        let halfNs = UInt64(max(2, lengthMs) / 2) * 1_000_000
        if self.beganNs == 0 { self.beganNs = nowNs }
        guard nowNs >= self.beganNs + halfNs else { return }
        let isFar = nowNs >= self.beganNs + 2 * halfNs
        self.previous = isFar ? Half() : self.current
        if isFar { self.firstResponses.removeAll(keepingCapacity: true) }
        self.current = Half()
        self.beganNs = nowNs
    }

    mutating func clear() { self = OutlierWindow() }
}
