/// Who could have been picked, and how busy each one was before the pick: the first few candidates. A value without an
/// allocation, so that every pick can bring its own.
public struct CandidateLoads: Sendable {
    /// One candidate.
    public struct Load: Sendable, Equatable {
        public var replica = ReplicaID(number: 0)
        /// Streams on it.
        public var inFlight: Int32 = 0
        /// Leading blocks of the prompt that it is believed to hold.
        public var matchedBlocks: Int32 = 0
    }

    /// Candidates that are kept of one pick.
    public static let most = 8

    private var loads = InlineArray<8, Load>(repeating: Load())
    /// Candidates that are kept.
    public private(set) var count = 0
    /// Candidates that there were.
    public private(set) var total = 0

    /// None: the pick was no choice.
    public init() {}

    /// - Parameter chosen: position of the one that was picked. It is kept, if need be in place of the last one.
    init(_ candidates: Span<Candidate>, chosen: Int) {
        self.total = candidates.count
        self.count = min(candidates.count, Self.most)
        for position in 0..<self.count { self.loads[position] = Load(candidates[position]) }
        if chosen >= self.count, self.count > 0 { self.loads[self.count - 1] = Load(candidates[chosen]) }
    }

    public subscript(position: Int) -> Load {
        precondition(position < self.count, "only the candidates that are kept can be asked for")
        return self.loads[position]
    }
}

extension CandidateLoads.Load {
    fileprivate init(_ candidate: Candidate) {
        self.replica = candidate.replica
        self.inFlight = Int32(clamping: candidate.inFlight)
        self.matchedBlocks = Int32(clamping: candidate.matchedBlocks)
    }
}
