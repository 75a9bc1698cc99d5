/// One prompt block that a cluster remembers: a node of the tree that chains make, an element of the list from the most
/// to the least recently noted, and a small set of the replicas that served it. 64 bytes, one cache line.
struct PrefixEntry: Sendable {
    /// Replicas that one block remembers; one more displaces the one that was noted longest ago.
    static let markLimit = 4
    static let none: Int32 = -1

    var hash: UInt64
    /// The block before this one, `none` for a first block.
    var parent: Int32
    /// Blocks that follow this one, -1 while the entry is unused.
    var children: Int32
    /// Neighbours in the list by recency; `older` also links unused entries.
    var newer: Int32
    var older: Int32
    var marks: InlineArray<4, PrefixMark>
    /// The number of the note that last set each mark.
    var serials: InlineArray<4, UInt16>

    init(hash: UInt64, parent: Int32) {
        self.hash = hash
        self.parent = parent
        self.children = 0
        self.newer = Self.none
        self.older = Self.none
        self.marks = InlineArray(repeating: .none)
        self.serials = InlineArray(repeating: 0)
    }

    var isUsed: Bool { self.children >= 0 }
}

extension PrefixEntry: HashedBlock {}

/// "This replica served this block then." Eight bytes.
struct PrefixMark: Sendable {
    /// The replica's dense slot.
    var slot: UInt16
    /// The slot's generation at that time: once the slot has another one, the mark means nothing. Zero is no mark.
    var generation: UInt16
    /// Milliseconds, wrapping after 49 days. Only differences count, and no mark is kept long enough to mislead.
    var stamp: UInt32

    static let none = PrefixMark(slot: 0, generation: 0, stamp: 0)
}
