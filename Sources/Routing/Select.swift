/// LocalAI's `Select`, step for step: the choice between a warm replica and a balanced one.
///
/// ```
/// hot, matching enough, admissible ──► hot
///        otherwise ──► the first admissible one in cold order ──► the admissible one with the fewest streams
/// ```
/// Where the hot replica and the cold order come from is the policy's business.
public enum Select {
    /// A replica that served a prefix of this prompt.
    public struct Hot: Sendable {
        public var replica: ReplicaID
        /// Matched blocks ÷ blocks of the prompt.
        public var matchRatio: Double

        public init(replica: ReplicaID, matchRatio: Double) {
            self.replica = replica
            self.matchRatio = matchRatio
        }
    }

    /// Returns the position of the chosen one among `candidates`, nil only when there are none. A replica that is there
    /// twice is admissible when one of its rows is. `minPrefixMatch` is inclusive.
    public static func position(
        among candidates: Span<Candidate>, hot: Hot?, coldOrder: Span<ReplicaID>, minPrefixMatch: Double,
        loadGuard: LoadGuard
    ) -> Int? {
        guard !candidates.isEmpty else { return nil }
        let least = Self.leastInFlight(candidates)
        if let hot, hot.matchRatio >= minPrefixMatch,
            let position = Self.admissible(hot.replica, candidates, least, loadGuard)
        {
            return position
        }
        for index in coldOrder.indices {
            if let position = Self.admissible(coldOrder[index], candidates, least, loadGuard) { return position }
        }
        var best: Int?
        for position in candidates.indices where loadGuard.admits(candidates[position].inFlight, least: least) {
            guard let other = best else { best = position; continue }
            if Self.isEmptier(candidates[position], than: candidates[other]) { best = position }
        }
        return best
    }

    /// Streams on the least busy of `candidates`, of which there is one at least.
    static func leastInFlight(_ candidates: Span<Candidate>) -> Int {
        var least = candidates[0].inFlight
        for position in 1..<candidates.count { least = min(least, candidates[position].inFlight) }
        return least
    }

    private static func admissible(
        _ replica: ReplicaID, _ candidates: Span<Candidate>, _ least: Int, _ loadGuard: LoadGuard
    ) -> Int? {
        for position in candidates.indices where candidates[position].replica == replica {
            if loadGuard.admits(candidates[position].inFlight, least: least) { return position }
        }
        return nil
    }

    private static func isEmptier(_ candidate: Candidate, than other: Candidate) -> Bool {
        if candidate.inFlight != other.inFlight { return candidate.inFlight < other.inFlight }
        return candidate.replica < other.replica
    }
}
