/// What the caches of a cluster's replicas are believed to hold: a tree of prompt blocks, each with every replica that
/// was sent it and how recently, and per replica a model of its cache (`ReplicaCache`). Bounded in blocks; every call
/// is bounded by the length of the chain and the replicas that have it.
///
/// ```
/// a ── b ── c            list by recency, newest first:   a b c  …  a' b'
///   └─ d                 a block is always newer than the blocks behind it, so the oldest one is always a leaf
/// ```
/// A replica never has a block more recently than the block before it, so what it holds of a prompt is told by the
/// deepest block that it holds. Replicas are named by their dense slot. Part of an `ExpectedTTFT`, under its lock.
package struct CacheIndex: Sendable {
    /// Most blocks that are remembered.
    package let capacity: Int
    /// Blocks remembered now.
    package internal(set) var count = 0

    var entries = ContiguousArray<CacheEntry>()
    var table = BlockTable()
    var owners = ContiguousArray<CacheOwners>()
    var firstUnusedOwners = CacheEntry.none
    /// By slot.
    var caches = ContiguousArray<ReplicaCache>()
    var newest = CacheEntry.none
    var oldest = CacheEntry.none
    var firstUnused = CacheEntry.none

    /// `capacity` at least 1.
    package init(capacity: Int) {
        precondition(capacity >= 1, "an index has room for a block")
        self.capacity = min(capacity, Int(Int32.max))
        // Address space only: a page is there once a block is on it. Growing by copying would hold the lock for 10 ms.
        self.entries.reserveCapacity(min(self.capacity, 1 << 20))
    }

    /// What the index keeps in memory, in bytes, without what is reserved and not used yet.
    package var memoryBytes: Int {
        self.entries.count * MemoryLayout<CacheEntry>.stride + self.table.memoryBytes
            + self.owners.count * MemoryLayout<CacheOwners>.stride
    }

    /// The replica in `slot` has an empty cache of this size from now on.
    package mutating func reset(slot: Int, capacityBytes: UInt64) {
        precondition(slot < Int(CacheOwners.follow), "a cluster has fewer replicas than slots")
        while self.caches.count <= slot { self.caches.append(ReplicaCache(capacityBytes: capacityBytes)) }
        self.caches[slot] = ReplicaCache(
            capacityBytes: capacityBytes, firstGeneration: self.caches[slot].current + 1)
    }

    /// Fills `held`, one element per slot: how many leading blocks of `chain` each replica is believed to hold. Returns
    /// how many leading blocks are known at all. Nothing changes by being asked.
    @discardableResult
    package func match(_ chain: PrefixChain, into held: inout ContiguousArray<Int>) -> Int {
        for slot in held.indices { held[slot] = 0 }
        var parent = CacheEntry.none
        for position in 0..<chain.count {
            let entry = self.table.find(chain[position], in: self.entries)
            // A different parent would be two texts with one hash, which nobody meets who does not look for it.
            guard entry >= 0, self.entries[Int(entry)].parent == parent else { return position }
            self.forEachOwner(of: entry) { slot, stamp in
                if self.caches[slot].holds(stamp) { held[slot] = position + 1 }
            }
            parent = entry
        }
        return chain.count
    }

    /// What the replica in `slot` knows of `chain`, with how deep in its cache each part lies.
    func profile(_ chain: PrefixChain, slot: Int) -> CacheProfile {
        var profile = CacheProfile()
        var parent = CacheEntry.none
        for position in 0..<chain.count {
            let entry = self.table.find(chain[position], in: self.entries)
            guard entry >= 0, self.entries[Int(entry)].parent == parent, let stamp = self.stamp(of: slot, entry) else {
                return profile
            }
            profile.add(self.entries[Int(entry)].bytes, stamp: stamp, in: self.caches[slot])
            parent = entry
        }
        return profile
    }

    /// Remembers that the replica in `slot` gets `chain` now. A chain longer than the index is noted in part.
    package mutating func note(_ chain: PrefixChain, slot: Int) -> CacheTicket {
        var deepest = CacheEntry.none
        var reached = 0
        while reached < min(chain.count, self.capacity) {
            var entry = self.table.find(chain[reached], in: self.entries)
            if entry < 0 {
                // The blocks above are the newest of the list already: the oldest one is not among them.
                if self.count == self.capacity { self.remove(self.oldest) }
                entry = self.add(chain[reached], parent: deepest, bytes: UInt32(clamping: chain.bytes(of: reached)))
                self.link(entry, behind: deepest)
            } else if self.entries[Int(entry)].parent != deepest {
                break
            } else if self.entries[Int(entry)].newer != deepest {
                self.unlink(entry)
                self.link(entry, behind: deepest)
            }
            reached += 1
            deepest = entry
        }
        guard reached > 0 else { return .nothing }
        var claimed: Int32 = 0
        var entry = deepest
        while entry >= 0 {
            if !self.touch(entry, slot: slot) { claimed += 1 }
            entry = self.entries[Int(entry)].parent
        }
        return CacheTicket(entry: deepest, claimed: claimed, hash: chain[reached - 1], slot: UInt16(slot))
    }

    /// The replica is done with what was noted: it used all of it until now.
    package mutating func touchAgain(_ ticket: CacheTicket) {
        guard self.isCurrent(ticket) else { return }
        var entry = ticket.entry
        while entry >= 0 {
            // What the replica forgot since stays forgotten.
            if let stamp = self.stamp(of: Int(ticket.slot), entry), self.caches[Int(ticket.slot)].knows(stamp) {
                self.touch(entry, slot: Int(ticket.slot))
            }
            entry = self.entries[Int(entry)].parent
        }
    }

    /// Takes back what a note claimed, because its stream never reached the replica: the blocks that the replica was
    /// not known to have. That the others were touched stays believed.
    package mutating func withdraw(_ ticket: CacheTicket) {
        guard self.isCurrent(ticket) else { return }
        var entry = ticket.entry
        for _ in 0..<ticket.claimed where entry >= 0 {
            let parent = self.entries[Int(entry)].parent
            self.removeOwner(Int(ticket.slot), of: entry)
            if self.entries[Int(entry)].children == 0, !self.hasOwner(entry) { self.remove(entry) }
            entry = parent
        }
    }

    private func isCurrent(_ ticket: CacheTicket) -> Bool {
        ticket.entry >= 0 && self.entries[Int(ticket.entry)].isUsed
            && self.entries[Int(ticket.entry)].hash == ticket.hash
    }
}

/// What one `CacheIndex.note` said, so that it can be renewed or taken back. It holds no reference: the index may
/// forget everything while tickets are out.
package struct CacheTicket: Sendable, Equatable {
    /// Arena position of the deepest block.
    let entry: Int32
    /// Blocks at the deep end of the chain that the replica was not known to have before.
    let claimed: Int32
    let hash: UInt64
    let slot: UInt16

    /// Nothing was noted.
    package static let nothing = CacheTicket(entry: -1, claimed: 0, hash: 0, slot: 0)
}
