/// How one replica would stand to one prompt: which leading part of it it was ever sent, cut where the depth in its
/// cache jumps. Enough to tell afterwards, from how long the prompt took, how large the cache must be.
struct CacheProfile: Sendable {
    static let segmentLimit = 4

    /// Bytes of the prompt up to the end of each segment, and the least cache that still holds the whole segment.
    private(set) var ends = InlineArray<4, UInt64>(repeating: 0)
    private(set) var depths = InlineArray<4, UInt64>(repeating: 0)
    private(set) var count = 0
    /// Leading bytes that the replica was sent before and did not forget.
    private(set) var knownBytes: UInt64 = 0
    /// Of these, the leading bytes believed to be in its cache.
    private(set) var heldBytes: UInt64 = 0
    private var isHeld = false

    /// What is added from here on lies so deep in the cache. A new segment only where that is much deeper than before.
    mutating func beginSegment(depth: UInt64, isHeld: Bool) {
        let isJump = self.count == 0 || depth > self.depths[self.count - 1] + self.depths[self.count - 1] / 8
        if isJump, self.count < Self.segmentLimit { self.count += 1 }
        self.depths[self.count - 1] = max(depth, self.depths[self.count - 1])
        self.isHeld = isHeld
    }

    /// The replica knows the next block, of this length. After `beginSegment`.
    mutating func add(_ bytes: UInt32) {
        self.knownBytes += UInt64(bytes)
        if self.isHeld { self.heldBytes = self.knownBytes }
        self.ends[self.count - 1] = self.knownBytes
    }

    /// Leading bytes that a cache of `capacity` bytes would hold.
    func bytes(heldBy capacity: UInt64) -> UInt64 {
        var held: UInt64 = 0
        for index in 0..<self.count where self.depths[index] <= capacity { held = self.ends[index] }
        return held
    }
}
