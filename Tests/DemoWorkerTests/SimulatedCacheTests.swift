import Testing

@testable import DemoWorker

struct SimulatedCacheTests {
    /// A text of whole blocks: one letter for each.
    private static func text(_ letters: String) -> PromptBlocks {
        PromptBlocks(letters.utf8.flatMap { [UInt8](repeating: $0, count: 64) })
    }

    @Test func `a block is 64 bytes and a beginning is told by its hashes`() {
        let text = Self.text("abc")
        #expect(text.hashes.count == 3 && text.tokens == 48 && text.byteCount == 192)
        #expect(Self.text("abd").hashes.prefix(2) == text.hashes.prefix(2))
        #expect(Self.text("abd").hashes[2] != text.hashes[2])
        #expect(Self.text("bbc").hashes[2] != text.hashes[2], "a hash covers everything before it")
        #expect(PromptBlocks([UInt8](repeating: 1, count: 63)).hashes.isEmpty)
        #expect(PromptBlocks([1]).tokens == 1 && PromptBlocks().tokens == 0)
        #expect(PromptBlocks([1]).digest != PromptBlocks([2]).digest)
    }

    @Test func `blocks that are appended are those of the whole text`() {
        let text = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        for cut in 0...text.count {
            var blocks = PromptBlocks(Array(text[..<cut]))
            blocks.append(Array(text[cut...]))
            #expect(blocks == PromptBlocks(text))
        }
    }

    @Test func `the longest held beginning is found`() {
        var cache = SimulatedCache(tokens: 1_000)
        #expect(cache.cachedTokens(of: Self.text("abc")) == 0)
        cache.keep(Self.text("abc"), tokens: 48)
        #expect(cache.cachedTokens(of: Self.text("abc")) == 48)
        #expect(cache.cachedTokens(of: Self.text("abcd")) == 48)
        #expect(cache.cachedTokens(of: Self.text("abx")) == 32)
        #expect(cache.cachedTokens(of: Self.text("bbc")) == 0)
        cache.drop()
        #expect(cache.cachedTokens(of: Self.text("abc")) == 0 && cache.tokens == 0)
    }

    @Test func `part of a prompt is held in whole blocks`() {
        var cache = SimulatedCache(tokens: 1_000)
        cache.keep(Self.text("abc"), tokens: 47)
        #expect(cache.cachedTokens(of: Self.text("abc")) == 32)
        cache.keep(Self.text("xyz"), tokens: 15)
        #expect(cache.cachedTokens(of: Self.text("xyz")) == 0)
    }

    @Test func `the least recently used tails leave first`() {
        var cache = SimulatedCache(tokens: 4 * 16)
        cache.keep(Self.text("ab"), tokens: 32)
        cache.keep(Self.text("xy"), tokens: 32)
        cache.keep(Self.text("ab"), tokens: 32)
        cache.keep(Self.text("q"), tokens: 16)
        #expect(cache.cachedTokens(of: Self.text("xy")) == 16, "y went, x stays")
        #expect(cache.cachedTokens(of: Self.text("ab")) == 32)
        cache.keep(Self.text("lmnopq"), tokens: 96)
        #expect(cache.cachedTokens(of: Self.text("lmnopq")) == 64, "a text larger than the cache keeps its head")
        #expect(cache.cachedTokens(of: Self.text("ab")) == 0)
        #expect(cache.tokens == 64)
    }

    @Test func `a cache without room holds nothing`() {
        for tokens in [-1, 0, 15] {
            var cache = SimulatedCache(tokens: tokens)
            cache.keep(Self.text("ab"), tokens: 32)
            #expect(cache.tokens == 0 && cache.cachedTokens(of: Self.text("ab")) == 0)
        }
    }

    @Test(arguments: [5, 20_261_125] as [UInt64])
    func `under random use it holds what a list in order of use would hold`(seed: UInt64) {
        print("seed \(seed)")
        var state = seed
        func random(_ count: Int) -> Int {
            state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
            return Int(state >> 33) % count
        }
        var cache = SimulatedCache(tokens: 8 * 16)
        var model: [UInt64] = []
        for _ in 0..<2_000 {
            let text = Self.text(String((0..<(1 + random(5))).map { _ in "abc".randomLetter(random(3)) }))
            let tokens = random(6) * 16
            cache.keep(text, tokens: tokens)
            for hash in text.hashes.prefix(tokens / 16).reversed() {
                model.removeAll { $0 == hash }
                model.append(hash)
                if model.count > 8 { model.removeFirst() }
            }
            let held = text.hashes.prefix { model.contains($0) }.count
            #expect(cache.cachedTokens(of: text) == held * 16, "seed \(seed)")
            #expect(cache.tokens == model.count * 16, "seed \(seed)")
        }
    }
}

extension String {
    fileprivate func randomLetter(_ number: Int) -> Character { self[self.index(self.startIndex, offsetBy: number)] }
}
