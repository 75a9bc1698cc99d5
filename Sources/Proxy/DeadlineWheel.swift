/// Which streams of a loop are out of time: a hashed timing wheel (Varghese and Lauck, 1987).
///
/// Adding costs an append; a stream that ends in time is left in its slot and dropped when the wheel passes, at most one
/// turn (`slots × tickNs`, about 4 s) later. Time comes in as an argument. Lives on one loop, owned by its `ProxyLoop`.
struct DeadlineWheel<Owner: AnyObject> {
    private struct Entry {
        let deadlineNs: UInt64
        let owner: Owner
        /// Tells a stream object that was reused from the stream that the entry is for.
        let serial: UInt64
    }

    /// How late a deadline may be noticed.
    static var tickNs: UInt64 { 8_000_000 }
    private static var slotCount: Int { 512 }

    private var slots: [[Entry]]
    /// The tick up to which every slot has been visited.
    private var visited: UInt64
    private(set) var count = 0

    init(at nowNs: UInt64) {
        self.slots = Array(repeating: [], count: Self.slotCount)
        self.visited = nowNs / Self.tickNs
    }

    mutating func add(_ owner: Owner, serial: UInt64, deadlineNs: UInt64, at nowNs: UInt64) {
        if self.count == 0 { self.visited = nowNs / Self.tickNs }
        let tick = max(deadlineNs / Self.tickNs, self.visited) + 1
        self.slots[Int(tick % UInt64(Self.slotCount))].append(
            Entry(deadlineNs: deadlineNs, owner: owner, serial: serial))
        self.count += 1
    }

    /// Visits every slot that is due and returns the owners whose deadline has passed. `isCurrent` says whether an
    /// entry's owner still is the stream that it was added for.
    mutating func expired(at nowNs: UInt64, isCurrent: (Owner, UInt64) -> Bool) -> [Owner] {
        let now = nowNs / Self.tickNs
        guard now > self.visited, self.count > 0 else { return [] }
        var late: [Owner] = []
        let first = max(self.visited + 1, now >= UInt64(Self.slotCount) ? now - UInt64(Self.slotCount) + 1 : 0)
        for tick in first...now {
            let slot = Int(tick % UInt64(Self.slotCount))
            guard !self.slots[slot].isEmpty else { continue }
            var kept: [Entry] = []
            for entry in self.slots[slot] where isCurrent(entry.owner, entry.serial) {
                if entry.deadlineNs <= nowNs { late.append(entry.owner) } else { kept.append(entry) }
            }
            self.count -= self.slots[slot].count - kept.count
            self.slots[slot] = kept
        }
        self.visited = now
        return late
    }
}
