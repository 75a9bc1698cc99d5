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
    /// The blocks of the prompt that is looked at. Kept for its memory.
    private var path = ContiguousArray<PathStep>()
    /// How much less a block is worth for each branch per replica that has it.
    private let sharingDiscount: Double

    /// The last block of that prompt and the count of changes then: as long as both are the same, the path is right.
    private var pathEnd: UInt64 = 0
    private var pathChange: UInt64 = 0
    /// Blocks that came or went.
    var changes: UInt64 = 0

    private struct PathStep: Sendable {
        var entry: Int32
        var branchesPerCopy: Double
        /// Worth of the prompt up to here.
        var bytes = 0
    }

    /// `capacity` at least 1.
    package init(capacity: Int, sharingDiscount: Double = 0.03) {
        precondition(capacity >= 1, "an index has room for a block")
        self.capacity = min(capacity, Int(Int32.max))
        self.sharingDiscount = sharingDiscount
        // Address space only: a page is there once a block is on it. Growing by copying would hold the lock for 10 ms.
        self.entries.reserveCapacity(min(self.capacity, 1 << 20))
    }

    /// What the index keeps in memory, in bytes, without what is reserved and not used yet.
    package var memoryBytes: Int {
        self.entries.count * MemoryLayout<CacheEntry>.stride + self.table.memoryBytes
            + self.owners.count * MemoryLayout<CacheOwners>.stride
    }

    /// Blocks that the replica in `slot` was sent and did not forget, in its cache or not.
    package func blocks(heldBy slot: Int) -> Int { slot < self.caches.count ? self.caches[slot].blocks : 0 }

    /// The replica in `slot` has an empty cache of this size from now on.
    package mutating func reset(slot: Int, capacityBytes: UInt64) {
        precondition(slot < Int(CacheOwners.follow), "a cluster has fewer replicas than slots")
        while self.caches.count <= slot { self.caches.append(ReplicaCache(capacityBytes: capacityBytes)) }
        self.caches[slot] = ReplicaCache(
            capacityBytes: capacityBytes, firstGeneration: self.caches[slot].current + 1)
    }

    /// Fills `held`, one element per slot: what of `chain` each replica is believed to hold.
    package mutating func match(_ chain: PrefixChain, at now: Instant, into held: inout ContiguousArray<HeldPrefix>) {
        for slot in held.indices { held[slot] = .nothing }
        self.path.removeAll(keepingCapacity: true)
        let period = BranchCount.period(at: now)
        var parent = CacheEntry.none
        var position = 0
        while position < chain.count {
            let entry = self.table.find(chain[position], in: self.entries)
            // A different parent would be two texts with one hash, which nobody meets who does not look for it.
            guard entry >= 0, self.entries[Int(entry)].parent == parent else { break }
            position += 1
            var copies = 0
            self.forEachOwner(of: entry) { slot, stamp in
                if self.caches[slot].holds(stamp) {
                    held[slot].blocks = position
                    copies += 1
                }
            }
            if copies == 0 { break }
            self.path.append(
                PathStep(
                    entry: entry,
                    branchesPerCopy: Double(self.entries[Int(entry)].branches.count(in: period)) / Double(copies)))
            parent = entry
        }
        self.pathEnd = chain.isEmpty ? 0 : chain[chain.count - 1]
        self.pathChange = self.changes
        self.discount(chain)
        for slot in held.indices where held[slot].blocks > 0 {
            held[slot].bytes = self.path[held[slot].blocks - 1].bytes
        }
    }

    /// A block is shared by all that branch off at it or behind it.
    private mutating func discount(_ chain: PrefixChain) {
        var most = 0.0
        for position in self.path.indices.reversed() {
            most = max(most, self.path[position].branchesPerCopy)
            self.path[position].branchesPerCopy = most
        }
        var bytes = 0.0
        for position in self.path.indices {
            bytes +=
                Double(chain.bytes(of: position)) / (1 + self.sharingDiscount * self.path[position].branchesPerCopy)
            self.path[position].bytes = Int(bytes)
        }
    }

    /// How many leading blocks of `chain` are where `path` says: nothing came or went since it was matched.
    private func knownPath(_ chain: PrefixChain) -> Int {
        let isSame = self.pathChange == self.changes && !chain.isEmpty && chain[chain.count - 1] == self.pathEnd
        return isSame ? self.path.count : 0
    }

    /// What the replica in `slot` knows of `chain`, with how deep in its cache each part lies.
    func profile(_ chain: PrefixChain, slot: Int) -> CacheProfile {
        var profile = CacheProfile()
        var parent = CacheEntry.none
        let known = self.knownPath(chain)
        for position in 0..<chain.count {
            let entry =
                position < known ? self.path[position].entry : self.table.find(chain[position], in: self.entries)
            guard entry >= 0, self.entries[Int(entry)].parent == parent, let stamp = self.stamp(of: slot, entry) else {
                return profile
            }
            profile.add(self.entries[Int(entry)].bytes, stamp: stamp, in: self.caches[slot])
            parent = entry
        }
        return profile
    }

    /// Remembers that the replica in `slot` gets `chain` now. A chain longer than the index is noted in part.
    package mutating func note(_ chain: PrefixChain, slot: Int, at now: Instant) -> CacheTicket {
        let period = BranchCount.period(at: now)
        var deepest = CacheEntry.none
        var reached = 0
        let known = self.knownPath(chain)
        while reached < min(chain.count, self.capacity) {
            var entry =
                reached < known ? self.path[reached].entry : self.table.find(chain[reached], in: self.entries)
            if entry < 0 {
                // The blocks above are the newest of the list already: the oldest one is not among them.
                if self.count == self.capacity { self.remove(self.oldest) }
                entry = self.add(chain[reached], parent: deepest, bytes: UInt32(clamping: chain.bytes(of: reached)))
                self.link(entry, behind: deepest)
                if deepest >= 0 { self.entries[Int(deepest)].branches.add(in: period) }
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

/// What one replica is believed to hold of one prompt.
package struct HeldPrefix: Sendable, Equatable {
    /// Leading blocks.
    package var blocks: Int
    /// Their length, less what is discounted of heads that everybody shares: those are no reason to prefer the replicas
    /// that have them already.
    package var bytes: Int

    package init(blocks: Int, bytes: Int) {
        self.blocks = blocks
        self.bytes = bytes
    }

    package static let nothing = HeldPrefix(blocks: 0, bytes: 0)
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
