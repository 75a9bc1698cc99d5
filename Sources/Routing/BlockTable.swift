/// Finds the arena position of a block by its hash: open addressing with linear probing, deletion by moving back what
/// follows. The hashes are XXH64 and need no mixing. A bucket keeps half a hash, so that growing and deleting
/// never touch the arena.
///
/// Grows by doubling, at three quarters full. The buckets move a few at a time, with each insertion, so that no insertion
/// takes long; until the last has moved, a hash is looked for in both places.
struct BlockTable: Sendable {
    private struct Bucket: Sendable {
        /// The low half of the hash.
        var low: UInt32
        /// Arena position, -1 when the bucket is empty.
        var entry: Int32

        static let empty = Bucket(low: 0, entry: -1)
    }

    /// A power of two, as many as `outgrown` times two.
    private var buckets = ContiguousArray<Bucket>(repeating: .empty, count: 64)
    /// The buckets before the last growth; none when all have moved.
    private var outgrown = ContiguousArray<Bucket>()
    /// Buckets of `outgrown` before this one are empty.
    private var movedBefore = 0
    private(set) var count = 0

    /// The arena position of `hash`, or `PrefixEntry.none`.
    func find(_ hash: UInt64, in entries: ContiguousArray<PrefixEntry>) -> Int32 {
        let entry = Self.find(hash, in: self.buckets, entries)
        return entry >= 0 || self.outgrown.isEmpty ? entry : Self.find(hash, in: self.outgrown, entries)
    }

    /// Adds a hash that is not in the table.
    mutating func insert(_ hash: UInt64, entry: Int32) {
        if !self.outgrown.isEmpty {
            self.moveSome()
        } else if (self.count + 1) * 4 > self.buckets.count * 3 {
            self.outgrown = self.buckets
            self.buckets = ContiguousArray(repeating: .empty, count: self.outgrown.count * 2)
            self.movedBefore = 0
        }
        self.place(Bucket(low: UInt32(truncatingIfNeeded: hash), entry: entry))
        self.count += 1
    }

    /// Takes out the hash that `entry` was added with.
    mutating func remove(_ hash: UInt64, entry: Int32) {
        let low = UInt32(truncatingIfNeeded: hash)
        if let position = Self.position(of: entry, low: low, in: self.buckets) {
            Self.empty(position, in: &self.buckets)
        } else if let position = Self.position(of: entry, low: low, in: self.outgrown) {
            Self.empty(position, in: &self.outgrown)
        } else {
            preconditionFailure("only a block that is in the table can leave it")
        }
        self.count -= 1
    }

    /// Four steps finish long before the new buckets fill: each either moves a block or passes an empty bucket.
    private mutating func moveSome() {
        for _ in 0..<4 where self.movedBefore < self.outgrown.count {
            let bucket = self.outgrown[self.movedBefore]
            if bucket.entry >= 0 {
                self.place(bucket)
                Self.empty(self.movedBefore, in: &self.outgrown)
            } else {
                self.movedBefore += 1
            }
        }
        if self.movedBefore == self.outgrown.count { self.outgrown = [] }
    }

    private mutating func place(_ bucket: Bucket) {
        let mask = self.buckets.count - 1
        var position = Int(bucket.low) & mask
        while self.buckets[position].entry >= 0 { position = (position + 1) & mask }
        self.buckets[position] = bucket
    }

    private static func find(
        _ hash: UInt64, in buckets: ContiguousArray<Bucket>, _ entries: ContiguousArray<PrefixEntry>
    ) -> Int32 {
        let mask = buckets.count - 1
        let low = UInt32(truncatingIfNeeded: hash)
        var position = Int(low) & mask
        while true {
            let bucket = buckets[position]
            if bucket.entry < 0 { return PrefixEntry.none }
            if bucket.low == low, entries[Int(bucket.entry)].hash == hash { return bucket.entry }
            position = (position + 1) & mask
        }
    }

    private static func position(of entry: Int32, low: UInt32, in buckets: ContiguousArray<Bucket>) -> Int? {
        guard !buckets.isEmpty else { return nil }
        let mask = buckets.count - 1
        var position = Int(low) & mask
        while buckets[position].entry != entry {
            if buckets[position].entry < 0 { return nil }
            position = (position + 1) & mask
        }
        return position
    }

    /// Empties a bucket. What was pushed past it by its block moves back, so that no search meets a gap before its goal.
    private static func empty(_ position: Int, in buckets: inout ContiguousArray<Bucket>) {
        let mask = buckets.count - 1
        var hole = position
        var next = (hole + 1) & mask
        while buckets[next].entry >= 0 {
            let home = Int(buckets[next].low) & mask
            if (next - home) & mask >= (next - hole) & mask {
                buckets[hole] = buckets[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        buckets[hole] = .empty
    }
}
