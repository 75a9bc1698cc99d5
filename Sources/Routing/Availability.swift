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
/// ```
/// The table only reads it: who changes it and when is the owner's business.
package enum Availability: UInt8, CaseIterable, Sendable {
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

    /// Whether a replica in this state may get a stream.
    package enum Standing: Sendable {
        /// Yes.
        case candidate
        /// Only when the cluster has no candidate.
        case lastResort
        /// Never.
        case out
    }

    package var standing: Standing {
        switch self {
        case .available: .candidate
        case .unknown, .suspect: .lastResort
        case .unreachable, .notLoaded, .loading, .draining: .out
        }
    }

    /// Stable text for logs, metric labels and the admin port.
    package var name: String {
        switch self {
        case .available: "available"
        case .unknown: "unknown"
        case .suspect: "suspect"
        case .unreachable: "unreachable"
        case .notLoaded: "not_loaded"
        case .loading: "loading"
        case .draining: "draining"
        }
    }
}
