/// Each replica in turn: the one whose last pick is longest ago, so that the turn survives replicas that join, leave,
/// or are excluded by a retry. A replica that was never picked comes first.
public struct RoundRobinPicker: Picker {
    public init() {}

    public func pick(among candidates: Span<Candidate>, promptBlocks: Int) -> Choice? {
        guard !candidates.isEmpty else { return nil }
        var best = 0
        for position in 1..<candidates.count where candidates[position].lastPick < candidates[best].lastPick {
            best = position
        }
        return Choice(position: best, reason: candidates.count == 1 ? .onlyCandidate : .roundRobin)
    }
}
