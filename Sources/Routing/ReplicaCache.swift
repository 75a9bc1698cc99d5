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
    /// Number of the newest generation.
    private(set) var current: UInt32
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
        self.current = firstGeneration
        self.firstChunk = firstGeneration >> Self.chunkBits
        self.boundary = firstGeneration
        self.capacityBytes = capacityBytes
    }

    /// Whether anything is known of a touch in this generation.
    func knows(_ stamp: UInt32) -> Bool { stamp >= self.base && stamp <= self.current }

    /// Whether a block last touched then is believed to be cached.
    func holds(_ stamp: UInt32) -> Bool { stamp >= self.boundary && stamp <= self.current }

    /// The generation that blocks touched now belong to, with how many more it takes, at least one, and the oldest one
    /// of which anything is known.
    mutating func generationToTouch() -> (stamp: UInt32, room: Int, oldest: UInt32) {
        if self.touches == Self.touchesPerGeneration { self.nextGeneration() }
        return (self.current, Self.touchesPerGeneration - self.touches, self.base)
    }

    /// Blocks were touched now, as many as `generationToTouch` had room for at most.
    mutating func add(_ came: TouchedBlocks) {
        guard came.blocks > 0 else { return }
        self.touches += came.blocks
        self.weights[self.weights.count - 1] += came.bytes
        self.chunks[self.chunks.count - 1] += UInt64(came.bytes)
        self.residentBytes += UInt64(came.bytes)
        self.totalBytes += UInt64(came.bytes)
        self.blocks += came.blocks
        self.settle()
    }

    /// Blocks last touched then are touched now, or forgotten.
    mutating func leave(_ left: TouchedBlocks) {
        guard left.blocks > 0, self.knows(left.stamp) else { return }
        self.weights[self.position(of: left.stamp)] -= left.bytes
        self.chunks[self.chunk(of: left.stamp)] -= UInt64(left.bytes)
        self.totalBytes -= UInt64(left.bytes)
        self.blocks -= left.blocks
        if left.stamp >= self.boundary { self.residentBytes -= UInt64(left.bytes) }
    }

    /// Blocks of an older generation, or of none, were touched now. Often they lie in the newest one already, and there is
    /// nothing to move.
    mutating func move(_ left: TouchedBlocks, to came: TouchedBlocks) {
        guard left.stamp != came.stamp || left.blocks != came.blocks else { return self.touches += came.blocks }
        self.leave(left)
        self.add(came)
    }

    /// As `leave(_ left: TouchedBlocks)`, of one block.
    mutating func leave(_ stamp: UInt32, _ bytes: UInt32) {
        var left = TouchedBlocks(stamp: stamp)
        left.add(bytes)
        self.leave(left)
    }

    /// Bytes of different blocks touched after a block of this generation was: what a cache had to hold to keep it.
    func depth(of stamp: UInt32) -> UInt64 {
        guard self.knows(stamp) else { return self.totalBytes }
        // To the end of its own chunk, then chunk by chunk.
        let next = (stamp >> Self.chunkBits + 1) << Self.chunkBits
        let first = self.position(of: stamp)
        let count = Int(min(next, self.current + 1) - stamp)
        var depth: UInt64 = 0
        let weights = self.weights.span.extracting(first..<first + count)
        // Far from overflow; without the check for it they are added several at a time.
        for position in weights.indices { depth &+= UInt64(weights[position]) }
        for chunk in self.chunk(of: stamp) + 1..<max(self.chunk(of: stamp) + 1, self.chunks.count) {
            depth += self.chunks[chunk]
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
        self.current += 1
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

/// Blocks of one replica's cache that share a generation.
struct TouchedBlocks {
    let stamp: UInt32
    private(set) var bytes: UInt32 = 0
    private(set) var blocks = 0

    init(stamp: UInt32) { self.stamp = stamp }

    mutating func add(_ bytes: UInt32) {
        self.bytes += bytes
        self.blocks += 1
    }
}
