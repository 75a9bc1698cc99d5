/// One prompt block that the caches of a cluster may hold: a node of the tree that chains make, an element of the list
/// from the most to the least recently touched, and the replicas that were sent it. 52 bytes for up to four replicas;
/// more are kept in `CacheOwners` records behind it.
struct CacheEntry: Sendable {
    /// Replicas that an entry holds by itself.
    static let ownerLimit = 4
    static let none: Int32 = -1
    /// In `slots`: no replica.
    static let noSlot = UInt16.max

    // Halves, so that the entry is aligned to four bytes and none of them is padding.
    private let hashLow: UInt32
    private let hashHigh: UInt32
    /// The block before this one, `none` for a first block.
    let parent: Int32
    /// Blocks that follow this one, -1 while the entry is unused.
    var children: Int32
    /// Neighbours in the list by recency; `older` also links unused entries.
    var newer: Int32
    var older: Int32
    /// Length of the block in the prompt.
    let bytes: UInt32
    /// The generation of each replica in which it touched the block last.
    var stamps: InlineArray<4, UInt32>
    /// The replicas, `noSlot` where there is none. When more than four have the block, the last stamp is the position
    /// of a `CacheOwners` record instead, and the last slot is `CacheOwners.follow`.
    var slots: InlineArray<4, UInt16>

    init(hash: UInt64, parent: Int32, bytes: UInt32) {
        self.hashLow = UInt32(truncatingIfNeeded: hash)
        self.hashHigh = UInt32(truncatingIfNeeded: hash >> 32)
        self.parent = parent
        self.children = 0
        self.newer = Self.none
        self.older = Self.none
        self.bytes = bytes
        self.stamps = InlineArray(repeating: 0)
        self.slots = InlineArray(repeating: Self.noSlot)
    }

    var isUsed: Bool { self.children >= 0 }
}

extension CacheEntry: HashedBlock {
    var hash: UInt64 { UInt64(self.hashHigh) << 32 | UInt64(self.hashLow) }
}

/// Replicas of a block that more than four have, five at a time.
struct CacheOwners: Sendable {
    static let limit = 5
    /// In `CacheEntry.slots`: the stamp beside it is the position of a record.
    static let follow = UInt16.max - 1

    var stamps = InlineArray<5, UInt32>(repeating: 0)
    var slots = InlineArray<5, UInt16>(repeating: CacheEntry.noSlot)
    /// The next record of the same block, or of the unused ones; `CacheEntry.none` at the end.
    var next = CacheEntry.none
}
