/// How recently one replica touched how much: its cache as a stack of generations, each a few block touches long.
/// A block is believed to be cached when the different blocks touched since fit the cache, as in any cache that
/// drops the least recently used first; generations answer that without a list per replica.
///
/// ```
/// base        boundary          current
///   │ evicted    │ resident        │
///   g g g g g g  g g g g g g g g g g        weight of g: bytes of the blocks whose last touch was in g
/// ```
/// Sizes are bytes of prompt. Part of a `CacheIndex`, which tells it of every touch.
struct ReplicaCache: Sendable {
    /// Block touches in one generation: what the order inside it is worth is not worth remembering.
    static let touchesPerGeneration = 32
    /// Generations that are kept; blocks of an older one are forgotten.
    static let generationLimit = 32_768
    private static let chunkBits: UInt32 = 7

    /// Weight of each generation from `base` on; the last one is the current one.
    private var weights: ContiguousArray<UInt32> = [0]
    /// Sums of the weights of generations whose numbers are equal but for their last seven bits, from `firstChunk` on: a
    /// depth is found in a few hundred steps, however long the memory.
    private var chunks: ContiguousArray<UInt64> = [0]
    private var firstChunk: UInt32
    /// Elements of `weights` before this one are gone: dropped together now and then.
    private var start = 0
    /// Number of the generation at `start`. Stamps start at 1.
    private var base: UInt32
    private var touches = 0
    /// The oldest generation that is believed to be resident.
    private(set) var boundary: UInt32
    /// Weight of the resident generations.
    private var residentBytes: UInt64 = 0
    /// Weight of all generations.
    private(set) var totalBytes: UInt64 = 0
    /// Blocks of all generations; those of generations that were let go count until they are touched again.
    private(set) var blocks = 0
    /// Believed size of the cache.
    private(set) var capacityBytes: UInt64

    init(capacityBytes: UInt64, firstGeneration: UInt32 = 1) {
        self.base = firstGeneration
        self.firstChunk = firstGeneration >> Self.chunkBits
        self.boundary = firstGeneration
        self.capacityBytes = capacityBytes
    }

    var current: UInt32 { self.base + UInt32(self.weights.count - self.start - 1) }

    /// Whether anything is known of a touch in this generation.
    func knows(_ stamp: UInt32) -> Bool { stamp >= self.base && stamp <= self.current }

    /// Whether a block last touched then is believed to be cached.
    func holds(_ stamp: UInt32) -> Bool { stamp >= self.boundary && stamp <= self.current }

    /// A block is touched now that was not known. Returns its stamp.
    mutating func touch(_ bytes: UInt32) -> UInt32 {
        if self.touches == Self.touchesPerGeneration { self.nextGeneration() }
        self.touches += 1
        self.weights[self.weights.count - 1] += bytes
        self.chunks[self.chunks.count - 1] += UInt64(bytes)
        self.residentBytes += UInt64(bytes)
        self.totalBytes += UInt64(bytes)
        self.blocks += 1
        self.settle()
        return self.current
    }

    /// A block last touched then is touched now, or forgotten.
    mutating func leave(_ stamp: UInt32, _ bytes: UInt32) {
        guard self.knows(stamp) else { return }
        self.weights[self.position(of: stamp)] -= bytes
        self.chunks[self.chunk(of: stamp)] -= UInt64(bytes)
        self.totalBytes -= UInt64(bytes)
        self.blocks -= 1
        if stamp >= self.boundary { self.residentBytes -= UInt64(bytes) }
    }

    /// Bytes of different blocks touched after a block of this generation was: what a cache had to hold to keep it.
    func depth(of stamp: UInt32) -> UInt64 {
        guard self.knows(stamp) else { return self.totalBytes }
        var depth: UInt64 = 0
        var generation = stamp
        // To the end of its own chunk, then chunk by chunk.
        while generation <= self.current, generation & ((1 << Self.chunkBits) - 1) != 0 {
            depth += UInt64(self.weights[self.position(of: generation)])
            generation += 1
        }
        if generation <= self.current {
            for chunk in self.chunk(of: generation)..<self.chunks.count { depth += self.chunks[chunk] }
        }
        return depth
    }

    /// The cache is now believed to be this large.
    mutating func resize(_ capacityBytes: UInt64) {
        self.capacityBytes = max(1, capacityBytes)
        while self.boundary > self.base {
            let next = UInt64(self.weights[self.position(of: self.boundary - 1)])
            if self.residentBytes + next > self.capacityBytes { break }
            self.residentBytes += next
            self.boundary -= 1
        }
        self.settle()
    }

    private func chunk(of stamp: UInt32) -> Int { Int((stamp >> Self.chunkBits) - self.firstChunk) }
    private func position(of stamp: UInt32) -> Int { self.start + Int(stamp - self.base) }

    /// Moves the boundary until what is resident fits. The current generation always stays.
    private mutating func settle() {
        while self.residentBytes > self.capacityBytes, self.boundary < self.current {
            self.residentBytes -= UInt64(self.weights[self.position(of: self.boundary)])
            self.boundary += 1
        }
    }

    private mutating func nextGeneration() {
        self.touches = 0
        self.weights.append(0)
        if self.chunk(of: self.current) == self.chunks.count { self.chunks.append(0) }
        // Empty generations at the old end say nothing; past the limit even those that do are let go.
        while self.base < self.current,
            self.weights[self.start] == 0 || self.weights.count - self.start > Self.generationLimit
        {
            let weight = UInt64(self.weights[self.start])
            self.totalBytes -= weight
            self.chunks[self.chunk(of: self.base)] -= weight
            if self.base == self.boundary {
                self.residentBytes -= weight
                self.boundary += 1
            }
            self.start += 1
            self.base += 1
        }
        if self.start > 4_096, self.start * 2 > self.weights.count {
            self.weights.removeFirst(self.start)
            self.start = 0
            let gone = self.chunk(of: self.base)
            self.chunks.removeFirst(gone)
            self.firstChunk += UInt32(gone)
        }
    }
}
