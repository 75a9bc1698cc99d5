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
public struct CacheIndex: Sendable {
    /// Most blocks that are remembered.
    public let capacity: Int
    /// Blocks remembered now.
    public internal(set) var count = 0

    var entries = ContiguousArray<CacheEntry>()
    var table = BlockTable()
    var owners = ContiguousArray<CacheOwners>()
    var firstUnusedOwners = CacheEntry.none
    /// By slot.
    var caches = ContiguousArray<ReplicaCache>()
    var newest = CacheEntry.none
    var oldest = CacheEntry.none
    var firstUnused = CacheEntry.none
    /// The blocks of the prompt that is looked at. Kept for its memory, of which the first `pathCount` are in use.
    var path = ContiguousArray<PathStep>()
    var pathCount = 0
    /// How much less of a block counts as unshared for each branch per replica that has it.
    private let sharingDiscount: Double

    /// The last block of that prompt and the count of changes then: as long as both are the same, the path is right.
    private var pathEnd: UInt64 = 0
    private var pathChange: UInt64 = 0
    /// Blocks that came or went.
    var changes: UInt64 = 0

    struct PathStep: Sendable {
        var entry: Int32
        var branchesPerCopy: Float
        /// Length of the prompt up to here, and what is left of it without heads that everybody shares.
        var bytes = 0
        var unsharedBytes = 0
    }

    /// `capacity` at least 1.
    public init(capacity: Int, sharingDiscount: Double = 0.3) {
        precondition(capacity >= 1, "an index has room for a block")
        self.capacity = min(capacity, BlockTable.positionLimit)
        self.sharingDiscount = sharingDiscount
        // Address space only: a page is there once a block is on it. Growing by copying would hold the lock for 10 ms.
        self.entries.reserveCapacity(min(self.capacity, 1 << 20))
    }

    /// What the index keeps in memory, in bytes, without what is reserved and not used yet.
    public var memoryBytes: Int {
        self.entries.count * MemoryLayout<CacheEntry>.stride + self.table.memoryBytes
            + self.owners.count * MemoryLayout<CacheOwners>.stride
    }

    /// An empty index of the same replicas, with caches of the same sizes. No ticket of this one is for it.
    func emptied(capacity: Int) -> CacheIndex {
        var index = CacheIndex(capacity: capacity, sharingDiscount: self.sharingDiscount)
        for slot in self.caches.indices { index.reset(slot: slot, capacityBytes: self.caches[slot].capacityBytes) }
        return index
    }

    /// Blocks that the replica in `slot` was sent and did not forget, in its cache or not.
    public func blocks(heldBy slot: Int) -> Int { slot < self.caches.count ? self.caches[slot].blocks : 0 }

    /// The replica in `slot` has an empty cache of this size from now on.
    public mutating func reset(slot: Int, capacityBytes: UInt64) {
        precondition(slot < Int(CacheOwners.follow), "a cluster has fewer replicas than slots")
        while self.caches.count <= slot { self.caches.append(ReplicaCache(capacityBytes: capacityBytes)) }
        self.caches[slot] = ReplicaCache(
            capacityBytes: capacityBytes, firstGeneration: self.caches[slot].current + 1)
    }

    /// Fills `held`, one element per slot: what of `chain` each replica is believed to hold.
    public mutating func match(_ chain: PrefixChain, at now: Instant, into held: inout ContiguousArray<HeldPrefix>) {
        var held = held.mutableSpan
        for slot in held.indices { held[slot] = .nothing }
        self.makeRoom(chain.count)
        // Taken out and put back, so that each step is written without a look at who else refers to them.
        var path = ContiguousArray<PathStep>()
        swap(&path, &self.path)
        var room = path.mutableSpan
        self.pathCount = self.match(chain, period: BranchCount.period(at: now), &held, &room)
        swap(&path, &self.path)
        self.pathEnd = chain.isEmpty ? 0 : chain[chain.count - 1]
        self.pathChange = self.changes
        Self.discount(&self.path, self.pathCount, chain, by: self.sharingDiscount)
        let steps = self.path.span
        for slot in held.indices where held[slot].blocks > 0 {
            held[slot].bytes = steps[held[slot].blocks - 1].bytes
            held[slot].unsharedBytes = steps[held[slot].blocks - 1].unsharedBytes
        }
    }

    /// Follows `chain` as far as anybody holds it. Returns how many blocks that is.
    private func match(
        _ chain: PrefixChain, period: UInt16, _ held: inout MutableSpan<HeldPrefix>,
        _ path: inout MutableSpan<PathStep>
    ) -> Int {
        let (entries, caches) = (self.entries.span, self.caches.span)
        var found = CacheEntry.none
        var before = CacheEntry.none
        var position = 0
        while position < chain.count {
            let entry = self.table.find(chain[position], after: found, before, in: entries)
            // A different parent would be two texts with one hash, which nobody meets who does not look for it.
            guard entry >= 0, entries[Int(entry)].parent == found else { break }
            var copies = 0
            for index in 0..<CacheEntry.ownerLimit {
                let slot = Int(entries[Int(entry)].slots[index])
                guard slot < Int(CacheOwners.follow) else { continue }
                if caches[slot].holds(entries[Int(entry)].stamps[index]) {
                    held[slot].blocks = position + 1
                    copies += 1
                }
            }
            if entries[Int(entry)].hasMoreOwners { copies += self.matchMore(entry, position + 1, &held) }
            if copies == 0 { break }
            let branches = Float(entries[Int(entry)].branches.count(in: period))
            path[position] = PathStep(
                entry: entry, branchesPerCopy: copies == 1 ? branches : branches / Float(copies))
            position += 1
            before = found
            found = entry
        }
        return position
    }

    /// The owners that the entry does not name itself.
    private func matchMore(_ entry: Int32, _ position: Int, _ held: inout MutableSpan<HeldPrefix>) -> Int {
        var copies = 0
        var record = self.more(of: entry)
        while record >= 0 {
            for index in 0..<CacheOwners.limit where self.owners[Int(record)].slots[index] != CacheEntry.noSlot {
                let slot = Int(self.owners[Int(record)].slots[index])
                if self.caches[slot].holds(self.owners[Int(record)].stamps[index]) {
                    held[slot].blocks = position
                    copies += 1
                }
            }
            record = self.owners[Int(record)].next
        }
        return copies
    }

    /// An empty path with room for so many blocks.
    private mutating func makeRoom(_ blocks: Int) {
        self.pathCount = 0
        if self.path.count < blocks {
            self.path.append(
                contentsOf: repeatElement(
                    PathStep(entry: CacheEntry.none, branchesPerCopy: 0), count: blocks - self.path.count))
        }
    }

    /// A block is shared by all that branch off at it or behind it.
    private static func discount(
        _ path: inout ContiguousArray<PathStep>, _ count: Int, _ chain: PrefixChain, by sharingDiscount: Double
    ) {
        var path = path.mutableSpan
        var most: Float = 0
        var position = count - 1
        while position >= 0 {
            most = max(most, path[position].branchesPerCopy)
            path[position].branchesPerCopy = most
            position -= 1
        }
        var unshared = 0.0
        var last: Float = -1
        var share = 1.0
        position = 0
        while position < count {
            if path[position].branchesPerCopy != last {
                last = path[position].branchesPerCopy
                share = 1 / (1 + sharingDiscount * Double(last))
            }
            unshared += Double(chain.bytes(of: position)) * share
            path[position].bytes = chain.bytes(inFirst: position + 1)
            path[position].unsharedBytes = Int(unshared)
            position += 1
        }
    }

    /// Makes `path` all leading blocks of `chain` that are remembered, up to `limit`. What was matched just now is there
    /// already.
    mutating func completePath(_ chain: PrefixChain, limit: Int) {
        let isSame = self.pathChange == self.changes && !chain.isEmpty && chain[chain.count - 1] == self.pathEnd
        if !isSame { self.pathCount = 0 }
        let known = self.pathCount
        self.makeRoom(chain.count)
        self.pathCount = min(known, limit)
        var found = self.pathCount > 0 ? self.path[self.pathCount - 1].entry : CacheEntry.none
        var before = self.pathCount > 1 ? self.path[self.pathCount - 2].entry : CacheEntry.none
        while self.pathCount < limit {
            let entry = self.table.find(chain[self.pathCount], after: found, before, in: self.entries.span)
            guard entry >= 0, self.entries[Int(entry)].parent == found else { break }
            self.path[self.pathCount].entry = entry
            self.pathCount += 1
            before = found
            found = entry
        }
        // It is no longer what was matched.
        self.pathChange = self.changes &- 1
    }
}

/// What one replica is believed to hold of one prompt.
public struct HeldPrefix: Sendable, Equatable {
    /// Leading blocks.
    public var blocks: Int
    /// Their length.
    public var bytes: Int
    /// Their length, less what is discounted of heads that everybody shares: to compute those once more on another
    /// replica serves all who come after.
    public var unsharedBytes: Int

    public init(blocks: Int, bytes: Int, unsharedBytes: Int) {
        self.blocks = blocks
        self.bytes = bytes
        self.unsharedBytes = unsharedBytes
    }

    public static let nothing = HeldPrefix(blocks: 0, bytes: 0, unsharedBytes: 0)
}

/// What one `CacheIndex.note` said, so that it can be renewed or taken back. It holds no reference: the index may
/// forget everything while tickets are out.
public struct CacheTicket: Sendable, Equatable {
    /// Arena position of the deepest block.
    let entry: Int32
    /// Blocks at the deep end of the chain that the replica was not known to have before.
    let claimed: Int32
    let hash: UInt64
    let slot: UInt16

    /// Nothing was noted.
    public static let nothing = CacheTicket(entry: -1, claimed: 0, hash: 0, slot: 0)
}
