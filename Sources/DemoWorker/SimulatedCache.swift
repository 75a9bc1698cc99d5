/// The prompt blocks that a simulated worker still has in its KV cache. The least recently used leave first, and of one
/// text the last block before the one in front of it, so that what is left is always a beginning.
///
///     newest ◄─► … ◄─► oldest        a list through `entries`, by index
struct SimulatedCache: Sendable {
    private struct Entry {
        var hash: UInt64
        var newer: Int
        var older: Int
    }
    private static let none = -1

    /// Most blocks that are held.
    private let capacity: Int
    private var entries: [Entry] = []
    private var indexOf: [UInt64: Int] = [:]
    private var newest = SimulatedCache.none
    private var oldest = SimulatedCache.none

    /// - Parameter tokens: size of the cache; at least 0. What is not a whole block is not used.
    init(tokens: Int) {
        self.capacity = max(0, tokens / PromptBlocks.blockTokens)
    }

    /// Tokens held at this moment.
    var tokens: Int { self.indexOf.count * PromptBlocks.blockTokens }

    /// How many tokens at the head of `blocks` are held.
    func cachedTokens(of blocks: PromptBlocks) -> Int {
        let missing = blocks.hashes.firstIndex { self.indexOf[$0] == nil } ?? blocks.hashes.count
        return missing * PromptBlocks.blockTokens
    }

    /// Holds the first `tokens` tokens of `blocks` from now on, as far as there is room; part of a block is not held.
    mutating func keep(_ blocks: PromptBlocks, tokens: Int) {
        let count = min(tokens / PromptBlocks.blockTokens, blocks.hashes.count, self.capacity)
        // Last to first: the head becomes the newest and outlives its tail.
        for hash in blocks.hashes[..<count].reversed() {
            if let index = self.indexOf[hash] {
                self.unlink(index)
                self.linkAsNewest(index)
            } else {
                self.insert(hash)
            }
        }
    }

    /// Forgets everything.
    mutating func drop() {
        self = SimulatedCache(tokens: self.capacity * PromptBlocks.blockTokens)
    }

    private mutating func insert(_ hash: UInt64) {
        let index: Int
        if self.entries.count < self.capacity {
            index = self.entries.count
            self.entries.append(Entry(hash: hash, newer: Self.none, older: Self.none))
        } else {
            index = self.oldest
            self.unlink(index)
            self.indexOf[self.entries[index].hash] = nil
            self.entries[index].hash = hash
        }
        self.indexOf[hash] = index
        self.linkAsNewest(index)
    }

    private mutating func unlink(_ index: Int) {
        let (newer, older) = (self.entries[index].newer, self.entries[index].older)
        if newer == Self.none { self.newest = older } else { self.entries[newer].older = older }
        if older == Self.none { self.oldest = newer } else { self.entries[older].newer = newer }
    }

    private mutating func linkAsNewest(_ index: Int) {
        self.entries[index].newer = Self.none
        self.entries[index].older = self.newest
        if self.newest == Self.none { self.oldest = index } else { self.entries[self.newest].newer = index }
        self.newest = index
    }
}
