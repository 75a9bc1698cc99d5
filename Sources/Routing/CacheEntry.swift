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
    /// Length of the block in the prompt, in units of 16 bytes.
    private let size: UInt16
    /// New blocks that followed this one lately.
    var branches = BranchCount()
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
        self.size = UInt16(clamping: max(1, (bytes + 8) / 16))
        self.stamps = InlineArray(repeating: 0)
        self.slots = InlineArray(repeating: Self.noSlot)
    }

    var isUsed: Bool { self.children >= 0 }

    /// Where the entry itself names the replica, -1 when it does not.
    @inline(__always)
    func place(of slot: Int) -> Int {
        for index in 0..<Self.ownerLimit where Int(self.slots[index]) == slot { return index }
        return -1
    }

    /// Whether `CacheOwners` records go on where the entry ends.
    var hasMoreOwners: Bool { self.slots[3] == CacheOwners.follow }

    /// Length of the block in the prompt, to the next 16 and up to a mebibyte.
    var bytes: UInt32 { UInt32(self.size) * 16 }
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

/// How many new blocks followed a block lately; what is five minutes old counts half. Tells a head that everybody shares
/// from a conversation's own history. Two bytes: a count up to 2,047, and the period in which it was right.
struct BranchCount: Sendable {
    private var packed: UInt16 = 0

    private static let periodNs: UInt64 = 300_000_000_000
    private static let most: UInt16 = 2_047

    /// The period that `now` falls in; periods come again after two and a half hours.
    static func period(at now: Instant) -> UInt16 { UInt16(truncatingIfNeeded: now.nanoseconds / Self.periodNs) & 31 }

    func count(in period: UInt16) -> Int {
        Int(self.packed >> 5) >> Int((period &- self.packed) & 31)
    }

    mutating func add(in period: UInt16) {
        let count = min(UInt16(self.count(in: period)) + 1, Self.most)
        self.packed = count << 5 | period
    }
}
