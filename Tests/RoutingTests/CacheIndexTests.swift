import Routing
import Testing

struct CacheIndexTests {
    /// A cache said with lists: blocks in the order of their last touch.
    private struct Model {
        var capacity: Int
        var touched: [[UInt64]]

        mutating func note(_ chain: [UInt64], _ slot: Int) {
            for block in chain.reversed() {
                self.touched[slot].removeAll { $0 == block }
                self.touched[slot].append(block)
            }
        }

        /// Leading blocks of which no more than `capacity` others were touched since.
        func held(_ chain: [UInt64], _ slot: Int, slack: Int) -> Int {
            let kept = Set(self.touched[slot].suffix(max(0, self.capacity + slack)))
            return chain.lastIndex { kept.contains($0) }.map { $0 + 1 } ?? 0
        }
    }

    @Test func `what is held is what fits the cache, to a generation`() throws {
        var random = SeededRandom(#function)
        // Blocks of 16 bytes; a generation is 32 touches.
        let (capacity, slots) = (400, 7)
        var index = CacheIndex(capacity: 100_000, sharingDiscount: 0)
        for slot in 0..<slots { index.reset(slot: slot, capacityBytes: UInt64(capacity * 16)) }
        var model = Model(capacity: capacity, touched: Array(repeating: [], count: slots))
        var held = ContiguousArray(repeating: HeldPrefix.nothing, count: slots)
        for step in 0..<3_000 {
            let chain = Self.chain(&random)
            index.match(chain, at: at(0), into: &held)
            for slot in 0..<slots {
                let range =
                    model.held(chain.values, slot, slack: -33)...model.held(chain.values, slot, slack: 33)
                try #require(range.contains(held[slot].blocks), "step \(step), slot \(slot)")
                #expect(held[slot].bytes == held[slot].blocks * 16)
            }
            let slot = Int.random(in: 0..<slots, using: &random)
            _ = index.note(chain, slot: slot, at: at(0))
            model.note(chain.values, slot)
            if step % 100 == 0 { try #require(index.checkInvariants() == [], "step \(step)") }
        }
    }

    @Test func `a note that is taken back leaves nothing of its own`() {
        var index = CacheIndex(capacity: 1_000)
        for slot in 0..<6 { index.reset(slot: slot, capacityBytes: 1 << 20) }
        var held = ContiguousArray(repeating: HeldPrefix.nothing, count: 6)
        for slot in 0..<6 { _ = index.note(PrefixChain(letters: "ab"), slot: slot, at: at(0)) }
        let ticket = index.note(PrefixChain(letters: "abcd"), slot: 5, at: at(0))
        #expect(index.count == 4)
        index.withdraw(ticket)
        index.match(PrefixChain(letters: "abcd"), at: at(0), into: &held)
        #expect(held.map(\.blocks) == [2, 2, 2, 2, 2, 2] && index.count == 2)
        #expect(index.checkInvariants() == [])
    }

    @Test func `the least recently noted blocks go first, from the deep end`() {
        var index = CacheIndex(capacity: 4)
        index.reset(slot: 0, capacityBytes: 1 << 20)
        var held: ContiguousArray = [HeldPrefix.nothing]
        for text in ["abc", "xy"] { _ = index.note(PrefixChain(letters: text), slot: 0, at: at(0)) }
        index.match(PrefixChain(letters: "abc"), at: at(0), into: &held)
        #expect(held[0].blocks == 2 && index.count == 4)
    }

    @Test func `a head that many branch off is hardly charged for, and a conversation's own history in full`() {
        var index = CacheIndex(capacity: 10_000, sharingDiscount: 0.03)
        for slot in 0..<2 { index.reset(slot: slot, capacityBytes: 1 << 20) }
        var held = ContiguousArray(repeating: HeldPrefix.nothing, count: 2)
        func text(_ number: Int) -> PrefixChain {
            var chain = PrefixChain(blockBytes: 1, maxBlocks: .max)
            chain.begin(salt: 0)
            chain.append(block: 1, bytes: 1_600)
            chain.append(block: UInt64(number + 10), bytes: 1_600)
            chain.finish()
            return chain
        }
        _ = index.note(text(0), slot: 0, at: at(0))
        index.match(text(0), at: at(0), into: &held)
        #expect(held[0].blocks == 2 && held[0].bytes == 3_200 && (3_100...3_200).contains(held[0].unsharedBytes))
        for number in 1...100 { _ = index.note(text(number), slot: 0, at: at(0)) }
        index.match(text(1_000), at: at(0), into: &held)
        #expect(held[0].blocks == 1 && held[0].bytes == 1_600 && held[0].unsharedBytes < 410)
        // Ten half-lives later nobody remembers.
        index.match(text(1_000), at: at(3_000_000), into: &held)
        #expect(held[0] == HeldPrefix(blocks: 1, bytes: 1_600, unsharedBytes: 1_600))
    }

    private static func chain(_ random: inout SeededRandom) -> PrefixChain {
        var chain = PrefixChain(blockBytes: 16, maxBlocks: .max)
        chain.begin(salt: 0)
        let topic = UInt64.random(in: 0..<150, using: &random)
        for depth in 0..<UInt64.random(in: 1...12, using: &random) {
            chain.append(block: topic << 8 | depth, bytes: 16)
        }
        chain.finish()
        return chain
    }
}
