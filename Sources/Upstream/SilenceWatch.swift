/// Whether a connection whose streams wait has gone silent, and what to do about it. A value: it is told what was heard,
/// and looked at now and then.
///
/// ```
/// quiet ──half of stall_after──► pinged ──other half──► stalled ──give_up_after──► given up
///   ▲            any byte           │                      │
///   └───────────────────────────────┴──────────────────────┘
/// ```
/// A long prefill is silence as well; that is what the PING is for. It is sent once in a silence, and again after 2 s, 10 s
/// and then 5 min at the soonest: gRPC servers cut off who sends a fourth within 5 min without having been sent anything.
struct SilenceWatch: Sendable {
    enum Verdict: Sendable, Equatable {
        case fine
        case ping
        /// Not a byte, not even to a PING. Said once.
        case stalled
        /// It was stalled, and has been heard. Said once.
        case resumed
        case givenUp
    }

    private(set) var isStalled = false
    /// Since when no stream of the connection has been heard of; zero while none waits. An answered PING does not end it.
    private(set) var quietSinceNs: UInt64 = 0
    private var silentSinceNs: UInt64 = 0
    private var heardAnything = false
    private var heardStreams = false
    /// When the PING that is not answered yet was sent; zero without one.
    private var pingedNs: UInt64 = 0
    private var pings = 0
    private var nextPingNs: UInt64 = 0

    /// Time from a PING to the next one in the same silence, in seconds.
    private static let pingPauses: [UInt64] = [2, 10, 310]

    /// - Parameter isPingSized: as many bytes as the answer to a PING has.
    mutating func heard(isPingSized: Bool) {
        self.heardAnything = true
        if !(isPingSized && self.pingedNs > 0) { self.heardStreams = true }
    }

    mutating func look(isWaiting: Bool, _ settings: StallSettings, at now: UInt64) -> Verdict {
        let wasHeard = self.heardAnything
        if self.heardStreams {
            self.pings = 0
            self.nextPingNs = 0
            self.quietSinceNs = now
        }
        (self.heardAnything, self.heardStreams) = (false, false)
        if wasHeard {
            self.pingedNs = 0
            self.silentSinceNs = now
            if self.isStalled {
                self.isStalled = false
                return .resumed
            }
        }
        guard isWaiting || self.isStalled else {
            (self.silentSinceNs, self.quietSinceNs, self.pingedNs) = (0, 0, 0)
            return .fine
        }
        if self.quietSinceNs == 0 { self.quietSinceNs = now }
        if self.silentSinceNs == 0 { self.silentSinceNs = now }
        guard settings.stallAfterMs > 0 else { return .fine }
        let silent = now - self.silentSinceNs
        if self.isStalled {
            let limit = UInt64(settings.giveUpAfterMs) * 1_000_000
            return limit > 0 && silent >= limit ? .givenUp : .fine
        }
        let half = UInt64(settings.stallAfterMs) * 500_000
        if self.pingedNs > 0 {
            guard now - self.pingedNs >= half else { return .fine }
            self.isStalled = true
            return .stalled
        }
        guard silent >= half, now >= self.nextPingNs else { return .fine }
        self.pingedNs = now
        self.nextPingNs = now + Self.pingPauses[min(self.pings, Self.pingPauses.count - 1)] * 1_000_000_000
        self.pings += 1
        return .ping
    }
}
