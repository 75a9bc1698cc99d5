/// Fewest streams in flight, then the one picked longest ago, then the heaviest weight, then the first: LocalAI's
/// PickBestReplica, with the table's pick number in place of the clock.
public struct LeastInFlightPicker: Picker {
    public init() {}

    public func pick(among candidates: Span<Candidate>, promptBlocks: Int) -> Choice? {
        guard !candidates.isEmpty else { return nil }
        var best = 0
        for position in 1..<candidates.count where Self.prefers(candidates[position], to: candidates[best]) {
            best = position
        }
        return Choice(position: best, reason: candidates.count == 1 ? .onlyCandidate : .leastInFlight)
    }

    /// Whether `candidate` is strictly better than `other`.
    public static func prefers(_ candidate: Candidate, to other: Candidate) -> Bool {
        if candidate.inFlight != other.inFlight { return candidate.inFlight < other.inFlight }
        if candidate.lastPick != other.lastPick { return candidate.lastPick < other.lastPick }
        return candidate.weight > other.weight
    }
}
