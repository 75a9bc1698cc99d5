import Testing

@testable import Replay

struct SharedHeadsTests {
    @Test func `a head counts less with each prompt that branches off, by replica that has it, and for a while`() {
        var heads = SharedHeads(discount: 0.5)
        for block in 2...5 { heads.note([1, UInt64(block)], at: 0) }
        // Four branches, the same prompt once more is none.
        heads.note([1, 5], at: 1)
        #expect(heads.unsharedBlocks([1], held: [1, 0, 0], at: 1) == [0, 1.0 / 3])
        #expect(heads.unsharedBlocks([1], held: [1, 1, 0], at: 1) == [0, 0.5])
        // Two branches are left after a period, and none after three.
        #expect(heads.unsharedBlocks([1], held: [1, 0, 0], at: 301) == [0, 0.5])
        #expect(heads.unsharedBlocks([1], held: [1, 0, 0], at: 901) == [0, 1])
        // What nobody branched off counts in full.
        #expect(heads.unsharedBlocks([7, 8], held: [2, 0, 0], at: 1) == [0, 1, 2])
    }
}
