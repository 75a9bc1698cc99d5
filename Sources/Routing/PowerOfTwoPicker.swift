/// The emptier one of two that are chosen at random (Mitzenmacher, 2001). Randomness comes in as two numbers.
public struct PowerOfTwoPicker: Picker {
    public let first: UInt64
    public let second: UInt64

    public init(first: UInt64, second: UInt64) {
        self.first = first
        self.second = second
    }

    public func pick(among candidates: Span<Candidate>, promptBlocks: Int) -> Choice? {
        guard !candidates.isEmpty else { return nil }
        guard candidates.count > 1 else { return Choice(position: 0, reason: .onlyCandidate) }
        let one = Int(self.first % UInt64(candidates.count))
        // Of the others, so that the two differ.
        let step = 1 + Int(self.second % UInt64(candidates.count - 1))
        let other = (one + step) % candidates.count
        let isBetter = LeastInFlightPicker.prefers(candidates[other], to: candidates[one])
        return Choice(position: isBetter ? other : one, reason: .powerOfTwo)
    }
}
