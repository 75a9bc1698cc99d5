/// Which replica has what an id stands for: a job, a decoder's state. Bounded: the ids that were not asked for longest
/// are forgotten first, half of them at a time.
public struct StickyTable: Sendable {
    private let half: Int
    /// Asked for since the last turn, and before it. An id is in one of them.
    private var recent: [UInt64: ReplicaID] = [:]
    private var older: [UInt64: ReplicaID] = [:]

    /// - Parameter capacity: most ids that are kept, at least 2.
    public init(capacity: Int = 16_384) {
        precondition(capacity >= 2, "a table that keeps nothing")
        self.half = capacity / 2
    }

    public var count: Int { self.recent.count + self.older.count }

    public mutating func remember(_ key: UInt64, _ replica: ReplicaID) {
        self.older[key] = nil
        self.recent[key] = replica
        guard self.recent.count >= self.half else { return }
        self.older = self.recent
        self.recent = [:]
    }

    /// The replica that has it; nil when none is remembered.
    public mutating func replica(of key: UInt64) -> ReplicaID? {
        if let replica = self.recent[key] { return replica }
        guard let replica = self.older[key] else { return nil }
        self.remember(key, replica)
        return replica
    }

    /// The replica is gone, with all that it had.
    public mutating func forget(replica: ReplicaID) {
        self.recent = self.recent.filter { $0.value != replica }
        self.older = self.older.filter { $0.value != replica }
    }

    public mutating func forget(_ key: UInt64) {
        self.recent[key] = nil
        self.older[key] = nil
    }
}
