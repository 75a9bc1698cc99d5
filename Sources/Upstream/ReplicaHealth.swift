/// What is known about whether one replica can be reached. A value: facts in, a verdict out.
///
/// ```
/// unknown ──alive──► available ──connection lost, probe failed──► suspect ──refused, n failures──► unreachable
///    ▲                   ▲  └──────────connect refused──────────────┼──────────────────────────────────▲ │
///    │                   └──────────alive (n times)──────────────────┴──────────────────────────────────┘
/// ```
/// Busy (a probe that is not answered in time on an open connection) never takes a replica out: Health shares a thread
/// with Predict on some workers.
public struct ReplicaHealth: Sendable, Equatable {
    public enum Standing: Sendable, Equatable { case unknown, available, suspect, unreachable }

    public private(set) var standing = Standing.unknown
    private var failures = 0
    private var successes = 0
    private var failuresToEject: Int
    private var successesToReturn: Int

    public init(settings: ProbeSettings) {
        self.failuresToEject = max(1, settings.failuresToEject)
        self.successesToReturn = max(1, settings.successesToReturn)
    }

    /// What counts from now on.
    mutating func apply(_ settings: ProbeSettings) {
        self.failuresToEject = max(1, settings.failuresToEject)
        self.successesToReturn = max(1, settings.successesToReturn)
    }

    /// A probe was answered with OK.
    public mutating func probeAnswered() {
        self.failures = 0
        self.successes += 1
        switch self.standing {
        case .unknown, .suspect: self.standing = .available
        case .unreachable where self.successes >= self.successesToReturn: self.standing = .available
        case .unreachable, .available: ()
        }
    }

    /// A probe was not answered in time, on a connection that is open.
    public mutating func probeTimedOut() {
        self.successes = 0
    }

    /// A probe did not get through, or its answer was no Health.
    public mutating func probeFailed(refused: Bool) {
        self.fail(atOnce: refused)
    }

    /// A connection that worked is gone, with or without streams on it.
    public mutating func connectionLost() {
        self.successes = 0
        if self.standing == .available { self.standing = .suspect }
    }

    /// A stream found no connection.
    public mutating func connectFailed(refused: Bool) {
        self.fail(atOnce: refused)
    }

    /// A stream was answered: as good as a probe, while the replica is not out.
    public mutating func streamAnswered() {
        self.failures = 0
        if self.standing == .suspect || self.standing == .unknown { self.standing = .available }
    }

    private mutating func fail(atOnce: Bool) {
        self.successes = 0
        self.failures += 1
        if atOnce || self.failures >= self.failuresToEject {
            self.standing = .unreachable
        } else if self.standing == .available || self.standing == .unknown {
            self.standing = .suspect
        }
    }
}
