/// Finds the arena position of a block by its hash: open addressing with linear probing, deletion by moving back what
/// follows. The hashes are XXH64 or as well mixed, and need no mixing.
///
/// ```
/// bucket, four bytes     arena position, 27 bits │ steps from the block's home bucket, 5 bits; 31 is "31 or more"
/// ```
/// A block that is looked for is as many steps from its home as the search has gone, so that hardly ever another block
/// must be looked at: a search, an insertion and a removal touch the buckets and at most the one block. At most three
/// quarters of the buckets are filled.
///
/// Grows by doubling. The buckets move a few at a time, with each insertion, so that no insertion takes long; until the
/// last has moved, a hash is looked for in both places.
struct BlockTable: Sendable {
    /// Arena positions are below this.
    static let positionLimit = 1 << 27 - 1
    private static let free = UInt32.max
    private static let stepBits: UInt32 = 5
    /// Steps that a bucket can say; from there on its block is asked.
    private static let far = 1 << Self.stepBits - 1

    /// A power of two, as many as `outgrown` times two.
    private var buckets = ContiguousArray<UInt32>(repeating: free, count: 64)
    /// The buckets before the last growth; none when all have moved.
    private var outgrown = ContiguousArray<UInt32>()
    /// Buckets of `outgrown` before this one are empty.
    private var movedBefore = 0
    private(set) var count = 0
    /// What was read ahead, added up so that it is read.
    private var read: UInt32 = 0

    /// Memory of the buckets, in bytes.
    var memoryBytes: Int { (self.buckets.count + self.outgrown.count) * MemoryLayout<UInt32>.stride }

    /// The arena position of `hash`, or -1.
    func find<Block: HashedBlock>(_ hash: UInt64, in entries: Span<Block>) -> Int32 {
        let entry = Self.find(hash, in: self.buckets.span, entries)
        return entry >= 0 || self.outgrown.isEmpty ? entry : Self.find(hash, in: self.outgrown.span, entries)
    }

    /// As `find`, of the block that should follow the one at `parent`, which follows `grandparent`; both may be -1. Blocks
    /// that follow one another mostly lie side by side, in one direction or the other, and are found there without the
    /// table.
    @inline(__always)
    func find<Block: HashedBlock>(
        _ hash: UInt64, after parent: Int32, _ grandparent: Int32, in entries: Span<Block>
    ) -> Int32 {
        if parent >= 0 {
            let guess = Int(grandparent >= 0 && grandparent == parent + 1 ? parent - 1 : parent + 1)
            if guess >= 0, guess < entries.count, entries[guess].hash == hash, entries[guess].isUsed {
                return Int32(truncatingIfNeeded: guess)
            }
        }
        return self.find(hash, in: entries)
    }

    /// Looks at the home bucket of a hash that is inserted or removed soon. When many are looked at one after another, the
    /// processor waits for their memory once and not for each.
    @inline(__always)
    mutating func readAhead(_ hash: UInt64) {
        self.read &+= self.buckets[Self.home(of: hash) & (self.buckets.count - 1)]
    }

    /// Adds the block at `entry`, whose hash is not in the table.
    mutating func insert<Block: HashedBlock>(_ entry: Int32, in entries: ContiguousArray<Block>) {
        precondition(entry >= 0 && entry < Self.positionLimit, "an arena has fewer blocks than a bucket can name")
        if !self.outgrown.isEmpty {
            self.moveSome(entries)
        } else if (self.count + 1) * 4 > self.buckets.count * 3 {
            self.outgrown = self.buckets
            self.buckets = ContiguousArray(repeating: Self.free, count: self.outgrown.count * 2)
            self.movedBefore = 0
        }
        self.place(entry, home: Self.home(of: entries[Int(entry)].hash))
        self.count += 1
    }

    /// Takes out the block at `entry`, which still has the hash that it was added with.
    mutating func remove<Block: HashedBlock>(_ entry: Int32, in entries: ContiguousArray<Block>) {
        let home = Self.home(of: entries[Int(entry)].hash)
        if let position = Self.position(of: entry, home: home, in: self.buckets.span) {
            Self.empty(position, in: &self.buckets, entries)
        } else if let position = Self.position(of: entry, home: home, in: self.outgrown.span) {
            Self.empty(position, in: &self.outgrown, entries)
        } else {
            preconditionFailure("only a block that is in the table can leave it")
        }
        self.count -= 1
    }

    /// Twelve steps finish long before the new buckets fill: each either moves a block or passes an empty bucket.
    private mutating func moveSome<Block: HashedBlock>(_ entries: ContiguousArray<Block>) {
        for _ in 0..<12 where self.movedBefore < self.outgrown.count {
            let bucket = self.outgrown[self.movedBefore]
            if bucket != Self.free {
                let entry = Self.entry(bucket)
                self.place(entry, home: Self.home(of: entries[Int(entry)].hash))
                Self.empty(self.movedBefore, in: &self.outgrown, entries)
            } else {
                self.movedBefore += 1
            }
        }
        if self.movedBefore == self.outgrown.count { self.outgrown = [] }
    }

    private mutating func place(_ entry: Int32, home: Int) {
        let mask = self.buckets.count - 1
        var position = home & mask
        var steps = 0
        while self.buckets[position] != Self.free {
            position = (position + 1) & mask
            steps += 1
        }
        self.buckets[position] = Self.bucket(entry, steps: steps)
    }

    // MARK: - Buckets

    private static func home(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash & 0xFFFF_FFFF) }
    private static func entry(_ bucket: UInt32) -> Int32 { Int32(truncatingIfNeeded: bucket >> self.stepBits) }
    private static func steps(_ bucket: UInt32) -> Int { Int(bucket) & self.far }

    private static func bucket(_ entry: Int32, steps: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: entry) << self.stepBits | UInt32(truncatingIfNeeded: min(steps, self.far))
    }

    @inline(__always)
    private static func find<Block: HashedBlock>(
        _ hash: UInt64, in buckets: Span<UInt32>, _ entries: Span<Block>
    ) -> Int32 {
        let mask = buckets.count - 1
        var position = self.home(of: hash) & mask
        var steps = 0
        while true {
            let bucket = buckets[position]
            if bucket == self.free { return -1 }
            if self.steps(bucket) == min(steps, self.far) {
                let entry = self.entry(bucket)
                if entries[Int(entry)].hash == hash { return entry }
            }
            position = (position + 1) & mask
            steps += 1
        }
    }

    private static func position(of entry: Int32, home: Int, in buckets: Span<UInt32>) -> Int? {
        guard !buckets.isEmpty else { return nil }
        let mask = buckets.count - 1
        var position = home & mask
        while buckets[position] == self.free || self.entry(buckets[position]) != entry {
            if buckets[position] == self.free { return nil }
            position = (position + 1) & mask
        }
        return position
    }

    /// Empties a bucket. What was pushed past it by its block moves back, so that no search meets a gap before its goal.
    private static func empty<Block: HashedBlock>(
        _ position: Int, in buckets: inout ContiguousArray<UInt32>, _ entries: ContiguousArray<Block>
    ) {
        let mask = buckets.count - 1
        var hole = position
        var next = (hole + 1) & mask
        while buckets[next] != self.free {
            let entry = self.entry(buckets[next])
            var steps = self.steps(buckets[next])
            if steps == self.far { steps = (next - self.home(of: entries[Int(entry)].hash)) & mask }
            let gap = (next - hole) & mask
            if steps >= gap {
                buckets[hole] = self.bucket(entry, steps: steps - gap)
                hole = next
            }
            next = (next + 1) & mask
        }
        buckets[hole] = self.free
    }
}
