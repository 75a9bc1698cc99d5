/// One replica as the admin port and the metrics show it.
public struct ReplicaRow: Equatable, Sendable {
    public let replica: ReplicaID
    public let name: String
    public let availability: Availability
    /// Streams on it now.
    public let inFlight: Int
    /// Streams that were ever given to it by a pick.
    public let picks: UInt64
    public let weight: Int
    /// Prompt blocks that it is believed to hold.
    public let cachedBlocks: Int

    public init(
        replica: ReplicaID, name: String, availability: Availability, inFlight: Int, picks: UInt64, weight: Int,
        cachedBlocks: Int
    ) {
        self.replica = replica
        self.name = name
        self.availability = availability
        self.inFlight = inFlight
        self.picks = picks
        self.weight = weight
        self.cachedBlocks = cachedBlocks
    }
}

extension ReplicaTable {
    /// All replicas, in the order in which they joined.
    public func snapshot() -> [ReplicaRow] {
        self.order.compactMap { slot in
            self.members[slot].map { member in
                ReplicaRow(
                    replica: member.replica, name: self.names[slot], availability: member.availability,
                    inFlight: member.inFlight, picks: member.picks, weight: member.candidate.weight,
                    cachedBlocks: self.expected?.index.blocks(heldBy: slot) ?? self.index.blocks(heldBy: slot))
            }
        }
    }

    /// Replicas in the table.
    public var count: Int { self.order.count }

    /// Leases that are out, those of replicas that left included.
    public var totalInFlight: Int {
        self.order.reduce(self.departedInFlight) { $0 + (self.members[$1]?.inFlight ?? 0) }
    }

    /// Whether a pick would find a replica now.
    public var canPick: Bool {
        self.order.contains { self.members[$0].map { $0.availability.standing != .out } ?? false }
    }

    /// Prompt blocks that the whole cluster remembers.
    public var indexedBlocks: Int { self.expected?.index.count ?? self.index.count }

    /// What the index keeps in memory, in bytes, without what is reserved and not used yet.
    public var indexMemoryBytes: Int { self.expected?.index.memoryBytes ?? self.index.memoryBytes }
}
