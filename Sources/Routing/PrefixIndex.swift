/// Which replica served which prefix: a tree of prompt blocks that the chains of one cluster make, each block with the
/// few replicas that served it last. It is a belief about caches that nobody here can see, so it may be wrong in either
/// direction; it is bounded in memory, and every call is bounded by the length of the chain.
///
/// ```
/// a ── b ── c            list by recency, newest first:   a b c  …  a' b'
///   └─ d                 a block is always newer than the blocks behind it, so the oldest one is always a leaf
/// ```
/// Replicas are named by their dense slot; `forget` gives the slot a new generation, and whatever was said of the old
/// one means nothing from then on. It is part of a `ReplicaTable` and lives under its lock.
public struct PrefixIndex: Sendable {
    /// What is kept per replica slot.
    struct Holder: Sendable {
        /// Never zero.
        var generation: UInt16 = 1
        /// Marks of this generation in the arena.
        var blocks = 0
    }

    /// Most blocks that are remembered.
    public let capacity: Int
    /// Age in milliseconds past which a mark means nothing; nil is never.
    private(set) var timeToLive: Int32?

    /// Blocks remembered now.
    public internal(set) var count = 0

    var entries = ContiguousArray<PrefixEntry>()
    var table = BlockTable()
    var holders = ContiguousArray<Holder>()
    var newest = PrefixEntry.none
    var oldest = PrefixEntry.none
    var firstUnused = PrefixEntry.none
    var serial: UInt16 = 0

    /// `capacity` at least 1. A `timeToLiveMs` of zero, or of more than 24 days, is for ever.
    public init(capacity: Int, timeToLiveMs: Int) {
        precondition(capacity >= 1 && timeToLiveMs >= 0, "an index has room for a block and no negative age")
        self.capacity = min(capacity, Int(Int32.max))
        self.timeToLive = timeToLiveMs == 0 ? nil : Int32(exactly: timeToLiveMs)
        // Address space only: a page is there once a block is on it. Growing by copying would hold the lock for 10 ms.
        self.entries.reserveCapacity(min(self.capacity, 1 << 20))
    }

    /// Marks are believed for so long from now on.
    mutating func live(forMs timeToLiveMs: Int) {
        self.timeToLive = timeToLiveMs == 0 ? nil : Int32(exactly: timeToLiveMs)
    }

    /// An empty index, to which no ticket of this one says anything.
    func emptied(capacity: Int, timeToLiveMs: Int) -> PrefixIndex {
        var index = PrefixIndex(capacity: capacity, timeToLiveMs: timeToLiveMs)
        index.serial = self.serial
        index.holders = self.holders
        for slot in index.holders.indices {
            let generation = self.holders[slot].generation
            index.holders[slot].generation = generation == .max ? 1 : generation + 1
            index.holders[slot].blocks = 0
        }
        return index
    }

    /// What the index keeps in memory, in bytes, without what is reserved and not used yet.
    public var memoryBytes: Int { self.entries.count * MemoryLayout<PrefixEntry>.stride + self.table.memoryBytes }

    /// Blocks that the replica in `slot` is believed to hold. Those that are too old count until a note or a sweep
    /// meets them.
    public func blocks(heldBy slot: Int) -> Int {
        slot < self.holders.count ? self.holders[slot].blocks : 0
    }

    /// Fills `depths`, one element per slot: how many leading blocks of `chain` each replica is believed to hold.
    /// The deepest block with its mark counts: to serve it, the replica had to have all before it. Elements past the
    /// last slot that ever noted something are zero. Nothing changes by being asked.
    public func match(_ chain: PrefixChain, at now: Instant, into depths: inout ContiguousArray<Int>) {
        for slot in depths.indices { depths[slot] = 0 }
        let now = Self.stamp(now)
        let entries = self.entries.span
        var parent = PrefixEntry.none
        var grandparent = PrefixEntry.none
        for position in 0..<chain.count {
            let entry = self.table.find(chain[position], after: parent, grandparent, in: entries)
            // A different parent would be two texts with one hash, which nobody meets who does not look for it.
            guard entry >= 0, entries[Int(entry)].parent == parent else { return }
            for index in 0..<PrefixEntry.markLimit {
                let mark = entries[Int(entry)].marks[index]
                if self.isLive(mark, at: now) { depths[Int(mark.slot)] = position + 1 }
            }
            grandparent = parent
            parent = entry
        }
    }

    /// Remembers that the replica in `slot` gets `chain` now. A chain longer than the capacity is noted in part.
    public mutating func note(_ chain: PrefixChain, slot: Int, at now: Instant) -> NoteTicket {
        guard !chain.isEmpty else { return .nothing }
        self.ensureHolder(slot)
        self.serial &+= 1
        let now = Self.stamp(now)
        var deepest = PrefixEntry.none
        var before = PrefixEntry.none
        var reached = 0
        var held = 0
        while reached < min(chain.count, self.capacity) {
            var entry = self.table.find(chain[reached], after: deepest, before, in: self.entries.span)
            if entry < 0 {
                // The blocks above are the newest of the list already: the oldest one is not among them.
                if self.count == self.capacity { self.remove(self.oldest) }
                entry = self.add(chain[reached], parent: deepest)
                self.link(entry, behind: deepest)
            } else if self.entries[Int(entry)].parent != deepest {
                break
            } else if self.entries[Int(entry)].newer != deepest {
                self.unlink(entry)
                self.link(entry, behind: deepest)
            }
            reached += 1
            if self.mark(entry, slot: slot, at: now) { held = reached }
            before = deepest
            deepest = entry
        }
        guard reached > 0 else { return .nothing }
        return NoteTicket(
            entry: deepest, claimed: Int32(reached - held), hash: chain[reached - 1], slot: UInt16(slot),
            generation: self.holders[slot].generation, serial: self.serial)
    }

    /// Takes back what a note claimed, because its stream never reached the replica: the blocks that the replica was not
    /// believed to hold before, as far as no later note renewed them. What it was believed to hold stays. A mark that
    /// was displaced by the claim does not return. Does nothing when the deepest block's mark is gone or renewed.
    public mutating func withdraw(_ ticket: NoteTicket) {
        guard ticket.claimed > 0, self.holders[Int(ticket.slot)].generation == ticket.generation,
            Int(ticket.entry) < self.entries.count, self.entries[Int(ticket.entry)].isUsed,
            self.entries[Int(ticket.entry)].hash == ticket.hash,
            self.claim(of: ticket, on: ticket.entry) != nil
        else { return }
        var entry = ticket.entry
        for _ in 0..<ticket.claimed {
            let parent = self.entries[Int(entry)].parent
            if let index = self.claim(of: ticket, on: entry) { self.clear(entry, index) }
            if self.entries[Int(entry)].children == 0, !self.hasCurrentMark(entry) { self.remove(entry) }
            entry = parent
        }
    }

    /// Forgets all that the replica in `slot` was believed to hold: its process restarted, or another replica has the
    /// slot from now on. Takes no time: the marks are seen as stale when they are met.
    public mutating func forget(slot: Int) {
        guard slot < self.holders.count else { return }
        if self.holders[slot].generation == .max {
            // Once in 65,535 times the numbers start over, and no mark of the first round may be left.
            self.clearMarks(of: slot)
            self.holders[slot].generation = 0
        }
        self.holders[slot].generation += 1
        self.holders[slot].blocks = 0
    }

    /// Removes blocks that no replica is believed to hold any more, the least recently noted first, and at most
    /// `limit` of them. Returns how many went. It stops at the first one that somebody holds.
    @discardableResult
    public mutating func sweep(at now: Instant, limit: Int) -> Int {
        let now = Self.stamp(now)
        var removed = 0
        while removed < limit, self.oldest >= 0, !self.hasLiveMark(self.oldest, at: now) {
            self.remove(self.oldest)
            removed += 1
        }
        return removed
    }
}
