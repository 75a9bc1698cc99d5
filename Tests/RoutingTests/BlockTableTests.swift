import Testing

@testable import Routing

struct BlockTableTests {
    private struct Block: HashedBlock {
        let isUsed = true
        var hash: UInt64
    }

    /// Homes that many blocks share, so that some stand farther from theirs than a bucket can say.
    @Test(arguments: [1, 3, 64, 1_000_000])
    func `a block is found wherever others pushed it, and nothing else is`(homes: UInt64) throws {
        var random = SeededRandom(#function)
        var table = BlockTable()
        var arena = ContiguousArray<Block>()
        var known: [UInt64: Int32] = [:]
        var unused: [Int32] = []
        for step in 0..<4_000 {
            if known.count < 300, Bool.random(using: &random) || known.isEmpty {
                let hash = UInt64.random(in: 0..<homes, using: &random) | UInt64(step + 1) << 40
                let entry = unused.popLast() ?? Int32(arena.count)
                if entry == arena.count { arena.append(Block(hash: hash)) }
                arena[Int(entry)].hash = hash
                if Bool.random(using: &random) { table.readAhead(hash) }
                table.insert(entry, in: arena)
                known[hash] = entry
            } else {
                let (hash, entry) = try #require(known.randomElement(using: &random))
                table.remove(entry, in: arena)
                known[hash] = nil
                unused.append(entry)
            }
            guard step.isMultiple(of: 50) || step < 100 else { continue }
            #expect(table.count == known.count)
            for (hash, entry) in known { #expect(table.find(hash, in: arena.span) == entry, "step \(step)") }
            #expect(table.find(UInt64(step + 5_000) << 40, in: arena.span) == -1)
        }
    }
}
