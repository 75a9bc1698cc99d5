/// A replica that may get the stream, as it is at the moment of the pick. Pickers see nothing else of the table.
public struct Candidate: Sendable {
    public var replica: ReplicaID
    /// Digest of its name, by which other proxies know it too.
    public var nameHash: UInt64
    /// Streams on it now.
    public var inFlight: Int
    /// Number of the pick that chose it last, counted over the whole table; zero when none did.
    public var lastPick: UInt64
    /// How much the operator prefers it; only breaks ties.
    public var weight: Int
    /// Leading blocks of this prompt that it is believed to hold.
    public var matchedBlocks: Int
    /// Blocks of all prompts that it is believed to hold.
    public var cachedBlocks: Int
    /// Whether it may be given another stream.
    var hasRoom = true
    /// Where the table keeps it.
    var slot: Int

    public init(
        replica: ReplicaID, inFlight: Int, lastPick: UInt64 = 0, weight: Int = 1, matchedBlocks: Int = 0,
        cachedBlocks: Int = 0
    ) {
        self.init(
            replica: replica, nameHash: UInt64(replica.number), inFlight: inFlight, lastPick: lastPick, weight: weight,
            matchedBlocks: matchedBlocks, cachedBlocks: cachedBlocks, slot: 0)
    }

    init(
        replica: ReplicaID, nameHash: UInt64, inFlight: Int, lastPick: UInt64, weight: Int, matchedBlocks: Int,
        cachedBlocks: Int, slot: Int
    ) {
        self.replica = replica
        self.nameHash = nameHash
        self.inFlight = inFlight
        self.lastPick = lastPick
        self.weight = weight
        self.matchedBlocks = matchedBlocks
        self.cachedBlocks = cachedBlocks
        self.slot = slot
    }
}
