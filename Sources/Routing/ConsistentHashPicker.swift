/// Every prompt head has an order of the replicas of its own (rendezvous hashing: Thaler and Ravishankar, 1998), and the
/// first in it that is not loaded past the bound gets the prompt (Mirrokni, Thorup and Zadimoghaddam, 2018). Proxies
/// with replicas of the same names choose alike without a word between them, in whatever order they came to know them.
///
/// A stream without a hint goes to the least in flight.
public struct ConsistentHashPicker: Picker {
    /// Hash of the prompt's head; nil without a hint.
    public let head: UInt64?
    /// Times the average number of streams, the new one included, that a replica may have. At least 1.
    public let loadBound: Double

    public init(head: UInt64?, _ loadBound: Double) {
        self.head = head
        self.loadBound = loadBound
    }

    public func pick(among candidates: Span<Candidate>, promptBlocks: Int) -> Choice? {
        guard let head = self.head, candidates.count > 1 else {
            return LeastInFlightPicker().pick(among: candidates, promptBlocks: promptBlocks)
        }
        var streams = 1
        for position in candidates.indices { streams += candidates[position].inFlight }
        let limit = Int((Double(streams) / Double(candidates.count) * self.loadBound).rounded(.up))
        var first = 0
        var best: Int?
        for position in candidates.indices {
            let score = Self.score(head, candidates[position])
            if score > Self.score(head, candidates[first]) { first = position }
            guard candidates[position].inFlight < limit else { continue }
            if let other = best, score <= Self.score(head, candidates[other]) { continue }
            best = position
        }
        let position = best ?? first
        return Choice(position: position, reason: .consistentHash, diverted: position != first)
    }

    private static func score(_ head: UInt64, _ candidate: Candidate) -> UInt64 {
        var mixed = head ^ (candidate.nameHash &+ 1) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
