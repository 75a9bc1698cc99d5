/// Finds the arena position of a block by its hash: open addressing with linear probing, deletion by moving back what
/// follows. The hashes are XXH64 and need no mixing. A bucket keeps half a hash, so that growing and deleting
/// never touch the arena. Grows by doubling, at three quarters full; a growth takes time in proportion to its size.
struct BlockTable: Sendable {
    private struct Bucket: Sendable {
        /// The low half of the hash.
        var low: UInt32
        /// Arena position, -1 when the bucket is empty.
        var entry: Int32

        static let empty = Bucket(low: 0, entry: -1)
    }

    private var buckets: ContiguousArray<Bucket>
    private var mask: Int
    private(set) var count = 0

    init() {
        self.buckets = ContiguousArray(repeating: .empty, count: 64)
        self.mask = 63
    }

    /// The arena position of `hash`, or `PrefixEntry.none`.
    func find(_ hash: UInt64, in entries: ContiguousArray<PrefixEntry>) -> Int32 {
        let low = UInt32(truncatingIfNeeded: hash)
        var position = Int(low) & self.mask
        while self.buckets[position].entry >= 0 {
            let bucket = self.buckets[position]
            if bucket.low == low, entries[Int(bucket.entry)].hash == hash { return bucket.entry }
            position = (position + 1) & self.mask
        }
        return PrefixEntry.none
    }

    /// Adds a hash that is not in the table.
    mutating func insert(_ hash: UInt64, entry: Int32) {
        if (self.count + 1) * 4 > self.buckets.count * 3 { self.grow() }
        self.place(Bucket(low: UInt32(truncatingIfNeeded: hash), entry: entry))
        self.count += 1
    }

    /// Takes out the hash that `entry` was added with.
    mutating func remove(_ hash: UInt64, entry: Int32) {
        var hole = Int(UInt32(truncatingIfNeeded: hash)) & self.mask
        while self.buckets[hole].entry != entry {
            precondition(self.buckets[hole].entry >= 0, "only a block that is in the table can leave it")
            hole = (hole + 1) & self.mask
        }
        // Whatever was pushed past the hole by it moves back, so that a search never meets a gap before its goal.
        var position = (hole + 1) & self.mask
        while self.buckets[position].entry >= 0 {
            let home = Int(self.buckets[position].low) & self.mask
            if (position - home) & self.mask >= (position - hole) & self.mask {
                self.buckets[hole] = self.buckets[position]
                hole = position
            }
            position = (position + 1) & self.mask
        }
        self.buckets[hole] = .empty
        self.count -= 1
    }

    private mutating func place(_ bucket: Bucket) {
        var position = Int(bucket.low) & self.mask
        while self.buckets[position].entry >= 0 { position = (position + 1) & self.mask }
        self.buckets[position] = bucket
    }

    private mutating func grow() {
        let old = self.buckets
        self.buckets = ContiguousArray(repeating: .empty, count: old.count * 2)
        self.mask = self.buckets.count - 1
        for bucket in old where bucket.entry >= 0 { self.place(bucket) }
    }
}
