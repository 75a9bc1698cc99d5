/// What is known of a replica's readiness, as the prober and the streams report it.
///
/// ```
///            probe ok                  connection lost
/// unknown ────────────► available ────────────────────► suspect
///    │                    ▲   ▲                            │
///    │ refused            │   └──────────── probe ok ──────┤
///    ▼                    │ probe ok                       │ refused
/// unreachable ────────────┴──────────◄─────────────────────┘
///
/// notLoaded, loading: the process answers, its model is not there (yet).   draining: an operator took it out.
/// stalled: its connection has gone silent.   ejected ──time──► trial: it fails too often, or answers far too late.
/// ```
/// The table only reads it: who changes it and when is the owner's business.
public enum Availability: UInt8, CaseIterable, Sendable {
    /// Answers, and holds its model.
    case available
    /// Not probed yet.
    case unknown
    /// Lost a connection and was not probed since.
    case suspect
    /// Does not answer.
    case unreachable
    /// Answers, without a model.
    case notLoaded
    /// Loads its model now.
    case loading
    /// Finishes what is open; takes nothing new.
    case draining
    /// Has streams that wait, and has not said a byte for too long, not even to a PING.
    case stalled
    /// Its streams fail, or are answered far later than elsewhere.
    case ejected
    /// Was ejected, and gets one stream at a time to show that it is well.
    case trial

    /// Whether a replica in this state may get a stream.
    public enum Standing: Sendable {
        /// Yes.
        case candidate
        /// Only when the cluster has no candidate.
        case lastResort
        /// Never.
        case out
    }

    public var standing: Standing {
        switch self {
        case .available, .trial: .candidate
        case .unknown, .suspect, .stalled, .ejected: .lastResort
        case .unreachable, .notLoaded, .loading, .draining: .out
        }
    }

    /// Stable text for logs, metric labels and the admin port.
    public var name: String {
        switch self {
        case .available: "available"
        case .unknown: "unknown"
        case .suspect: "suspect"
        case .unreachable: "unreachable"
        case .notLoaded: "not_loaded"
        case .loading: "loading"
        case .draining: "draining"
        case .stalled: "stalled"
        case .ejected: "ejected"
        case .trial: "trial"
        }
    }
}
