/// Finds the arena position of a block by its hash: open addressing with linear probing, deletion by moving back what
/// follows. The hashes are XXH64 and need no mixing. A bucket is an arena position and nothing else, four bytes: at
/// most three quarters are filled, so that most searches look at one or two blocks.
///
/// Grows by doubling. The buckets move a few at a time, with each insertion, so that no insertion takes long; until the
/// last has moved, a hash is looked for in both places.
struct BlockTable: Sendable {
    private static let free: Int32 = -1

    /// A power of two, as many as `outgrown` times two.
    private var buckets = ContiguousArray<Int32>(repeating: free, count: 64)
    /// The buckets before the last growth; none when all have moved.
    private var outgrown = ContiguousArray<Int32>()
    /// Buckets of `outgrown` before this one are empty.
    private var movedBefore = 0
    private(set) var count = 0

    /// Memory of the buckets, in bytes.
    var memoryBytes: Int { (self.buckets.count + self.outgrown.count) * MemoryLayout<Int32>.stride }

    /// The arena position of `hash`, or -1.
    func find<Block: HashedBlock>(_ hash: UInt64, in entries: ContiguousArray<Block>) -> Int32 {
        let entry = Self.find(hash, in: self.buckets, entries)
        return entry >= 0 || self.outgrown.isEmpty ? entry : Self.find(hash, in: self.outgrown, entries)
    }

    /// Adds the block at `entry`, whose hash is not in the table.
    mutating func insert<Block: HashedBlock>(_ entry: Int32, in entries: ContiguousArray<Block>) {
        if !self.outgrown.isEmpty {
            self.moveSome(entries)
        } else if (self.count + 1) * 4 > self.buckets.count * 3 {
            self.outgrown = self.buckets
            self.buckets = ContiguousArray(repeating: Self.free, count: self.outgrown.count * 2)
            self.movedBefore = 0
        }
        self.place(entry, entries)
        self.count += 1
    }

    /// Takes out the block at `entry`, which still has the hash that it was added with.
    mutating func remove<Block: HashedBlock>(_ entry: Int32, in entries: ContiguousArray<Block>) {
        if let position = Self.position(of: entry, in: self.buckets, entries) {
            Self.empty(position, in: &self.buckets, entries)
        } else if let position = Self.position(of: entry, in: self.outgrown, entries) {
            Self.empty(position, in: &self.outgrown, entries)
        } else {
            preconditionFailure("only a block that is in the table can leave it")
        }
        self.count -= 1
    }

    /// Twelve steps finish long before the new buckets fill: each either moves a block or passes an empty bucket.
    private mutating func moveSome<Block: HashedBlock>(_ entries: ContiguousArray<Block>) {
        for _ in 0..<12 where self.movedBefore < self.outgrown.count {
            let entry = self.outgrown[self.movedBefore]
            if entry >= 0 {
                self.place(entry, entries)
                Self.empty(self.movedBefore, in: &self.outgrown, entries)
            } else {
                self.movedBefore += 1
            }
        }
        if self.movedBefore == self.outgrown.count { self.outgrown = [] }
    }

    private mutating func place<Block: HashedBlock>(_ entry: Int32, _ entries: ContiguousArray<Block>) {
        let mask = self.buckets.count - 1
        var position = Self.home(of: entry, entries) & mask
        while self.buckets[position] >= 0 { position = (position + 1) & mask }
        self.buckets[position] = entry
    }

    @inline(__always)
    private static func home<Block: HashedBlock>(of entry: Int32, _ entries: ContiguousArray<Block>) -> Int {
        Int(truncatingIfNeeded: entries[Int(entry)].hash & 0xFFFF_FFFF)
    }

    private static func find<Block: HashedBlock>(
        _ hash: UInt64, in buckets: ContiguousArray<Int32>, _ entries: ContiguousArray<Block>
    ) -> Int32 {
        let mask = buckets.count - 1
        var position = Int(truncatingIfNeeded: hash & 0xFFFF_FFFF) & mask
        while true {
            let entry = buckets[position]
            if entry < 0 || entries[Int(entry)].hash == hash { return entry }
            position = (position + 1) & mask
        }
    }

    private static func position<Block: HashedBlock>(
        of entry: Int32, in buckets: ContiguousArray<Int32>, _ entries: ContiguousArray<Block>
    ) -> Int? {
        guard !buckets.isEmpty else { return nil }
        let mask = buckets.count - 1
        var position = Self.home(of: entry, entries) & mask
        while buckets[position] != entry {
            if buckets[position] < 0 { return nil }
            position = (position + 1) & mask
        }
        return position
    }

    /// Empties a bucket. What was pushed past it by its block moves back, so that no search meets a gap before its goal.
    private static func empty<Block: HashedBlock>(
        _ position: Int, in buckets: inout ContiguousArray<Int32>, _ entries: ContiguousArray<Block>
    ) {
        let mask = buckets.count - 1
        var hole = position
        var next = (hole + 1) & mask
        while buckets[next] >= 0 {
            let home = Self.home(of: buckets[next], entries) & mask
            if (next - home) & mask >= (next - hole) & mask {
                buckets[hole] = buckets[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        buckets[hole] = Self.free
    }
}
