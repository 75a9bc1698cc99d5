/// LocalAI's prefix cache policy: `Select`, with its thresholds, over a better idea of who is hot and of the cold order.
///
/// Where it differs from LocalAI, each time for a stream that LocalAI would have sent away from its cache:
/// - A block knows several replicas that served it, not only the last one.
/// - Hot is the admissible candidate that holds the most of the prompt. LocalAI knows the owner of the deepest block
///   only, and nobody is hot when that one is busy, gone, or not a candidate.
/// - Of several that hold equally much, the one that the least-in-flight order prefers is hot.
/// - The cold order is by streams in flight first; how much a replica holds of other prompts only breaks ties, the
///   less the better. LocalAI orders by what they hold alone, decayed with age.
///
/// A stream without a hint goes to the least in flight, as there.
public struct PrefixCachePicker: Picker {
    /// Smallest share of the prompt's blocks that counts as warm, 0 to 1, inclusive.
    public let minPrefixMatch: Double
    public let loadGuard: LoadGuard

    public init(minPrefixMatch: Double, loadGuard: LoadGuard) {
        self.minPrefixMatch = minPrefixMatch
        self.loadGuard = loadGuard
    }

    init(_ settings: RoutingSettings) {
        self.init(
            minPrefixMatch: settings.minPrefixMatch,
            loadGuard: LoadGuard(absolute: settings.balanceAbsolute, relative: settings.balanceRelative))
    }

    public func pick(among candidates: Span<Candidate>, promptBlocks: Int) -> Choice? {
        guard candidates.count > 1, promptBlocks > 0 else {
            return LeastInFlightPicker().pick(among: candidates, promptBlocks: promptBlocks)
        }
        let least = Select.leastInFlight(candidates)
        var hot: Int?
        var deepest = 0
        var coldest = 0
        for position in candidates.indices {
            let candidate = candidates[position]
            if candidate.matchedBlocks > candidates[deepest].matchedBlocks { deepest = position }
            if Self.isColder(candidate, than: candidates[coldest]) { coldest = position }
            guard candidate.matchedBlocks > 0, self.loadGuard.admits(candidate.inFlight, least: least) else { continue }
            if let other = hot, !Self.isWarmer(candidate, than: candidates[other]) { continue }
            hot = position
        }
        let coldOrder: InlineArray<1, ReplicaID> = [candidates[coldest].replica]
        let chosen = Select.position(
            among: candidates,
            hot: hot.map {
                Select.Hot(
                    replica: candidates[$0].replica, matchRatio: Self.ratio(candidates[$0], promptBlocks))
            },
            coldOrder: coldOrder.span, minPrefixMatch: self.minPrefixMatch, loadGuard: self.loadGuard)
        guard let chosen else { return nil }
        return self.explain(candidates[chosen], at: chosen, deepest: candidates[deepest], least, promptBlocks)
    }

    private func explain(
        _ chosen: Candidate, at position: Int, deepest: Candidate, _ least: Int, _ promptBlocks: Int
    ) -> Choice {
        let diverted =
            self.isWarm(deepest, promptBlocks) && chosen.matchedBlocks < deepest.matchedBlocks
            && !self.loadGuard.admits(deepest.inFlight, least: least)
        let reason: PickReason =
            if self.isWarm(chosen, promptBlocks) { .prefixMatch } else if diverted { .diverted } else { .cold }
        return Choice(position: position, reason: reason, diverted: diverted)
    }

    private func isWarm(_ candidate: Candidate, _ promptBlocks: Int) -> Bool {
        candidate.matchedBlocks > 0 && Self.ratio(candidate, promptBlocks) >= self.minPrefixMatch
    }

    private static func ratio(_ candidate: Candidate, _ promptBlocks: Int) -> Double {
        Double(candidate.matchedBlocks) / Double(promptBlocks)
    }

    private static func isWarmer(_ candidate: Candidate, than other: Candidate) -> Bool {
        if candidate.matchedBlocks != other.matchedBlocks { return candidate.matchedBlocks > other.matchedBlocks }
        return LeastInFlightPicker.prefers(candidate, to: other)
    }

    private static func isColder(_ candidate: Candidate, than other: Candidate) -> Bool {
        if candidate.inFlight != other.inFlight { return candidate.inFlight < other.inFlight }
        if candidate.cachedBlocks != other.cachedBlocks { return candidate.cachedBlocks < other.cachedBlocks }
        return LeastInFlightPicker.prefers(candidate, to: other)
    }
}
