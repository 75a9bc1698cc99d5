/// Why a replica was picked.
public enum PickReason: String, CaseIterable, Sendable {
    /// Nobody else could have been.
    case onlyCandidate = "only_candidate"
    /// It holds enough of this prompt.
    case prefixMatch = "prefix_match"
    /// A replica that holds enough of this prompt was too busy, and nobody else held enough.
    case diverted
    /// There was a hint, and nobody held enough of this prompt.
    case cold
    /// It had the fewest streams; the stream had no hint, or the policy wants none.
    case leastInFlight = "least_in_flight"
    /// The emptier one of two chosen at random.
    case powerOfTwo = "power_of_two"
    /// The head of the prompt belongs to it, or to a replica that had too much to do.
    case consistentHash = "consistent_hash"
    /// It was its turn.
    case roundRobin = "round_robin"
    /// It has what the call is about: a job, a decoder's state.
    case sticky
    /// It is the one that keeps the cluster's stores.
    case primary
    /// It holds the prompt that the call looks at without computing it.
    case followed

    /// Stable text for logs and metric labels.
    public var name: String { self.rawValue }

    /// Position in `allCases`, for tables that have a row for each reason.
    public var position: Int {
        switch self {
        case .onlyCandidate: 0
        case .prefixMatch: 1
        case .diverted: 2
        case .cold: 3
        case .leastInFlight: 4
        case .powerOfTwo: 5
        case .consistentHash: 6
        case .roundRobin: 7
        case .sticky: 8
        case .primary: 9
        case .followed: 10
        }
    }
}
