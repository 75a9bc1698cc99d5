import Routing
import Testing

struct PrefixChainTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        var model: String
        var text: String
        var blockBytes = 256
        var maxBlocks = 64
        var hashes: [UInt64]

        var testDescription: String { "\(self.model), \(self.text.utf8.count) bytes, blocks of \(self.blockBytes)" }
    }

    private static let rules = String(repeating: "system rules ", count: 100)

    static let vectors = [
        Vector(model: "modelX", text: "hello world", hashes: [9_021_501_245_760_295_833]),
        Vector(model: "m1", text: "abc", hashes: [13_420_279_635_722_420_338]),
        Vector(model: "m2", text: "abc", hashes: [12_581_368_373_851_155_422]),
        Vector(
            model: "m", text: "system-rules-stable-prefix-that-exceeds-the-budget", blockBytes: 4, maxBlocks: 3,
            hashes: [15_139_727_079_996_220_449, 9_302_385_658_592_742_194, 4_614_801_969_882_968_553]),
        Vector(
            model: "m", text: "system-rDIFFERENT-tail", blockBytes: 4, maxBlocks: 3,
            hashes: [15_139_727_079_996_220_449, 9_302_385_658_592_742_194, 5_164_893_047_265_633_437]),
        Vector(
            model: "m", text: Self.rules + "Current time 12:00:00",
            hashes: [
                2_516_780_165_744_082_599, 8_454_112_118_723_566_575, 2_551_599_102_736_715_317,
                14_825_672_296_037_780_441, 7_248_253_897_863_899_886, 1_692_447_879_125_056_015,
            ]),
        Vector(
            model: "m", text: Self.rules + "Current time 12:00:01",
            hashes: [
                2_516_780_165_744_082_599, 8_454_112_118_723_566_575, 2_551_599_102_736_715_317,
                14_825_672_296_037_780_441, 7_248_253_897_863_899_886, 2_102_494_263_998_562_545,
            ]),
        Vector(model: "qwen", text: "system\nYou are helpful.\nuser\nHi\n", hashes: [4_230_607_179_275_991_801]),
        Vector(model: "m", text: String(repeating: "x", count: 256), hashes: [603_684_305_262_606_335]),
        Vector(
            model: "m", text: String(repeating: "x", count: 257),
            hashes: [603_684_305_262_606_335, 15_909_800_264_514_252_271]),
    ]

    @Test(arguments: vectors)
    func `a chain has LocalAI's hashes`(vector: Vector) {
        let chain = PrefixChain(
            model: vector.model, vector.text, blockBytes: vector.blockBytes, maxBlocks: vector.maxBlocks)
        #expect(chain.values == vector.hashes)
        #expect(chain.byteCount == min(vector.text.utf8.count, vector.blockBytes * vector.maxBlocks))
    }

    @Test(arguments: vectors)
    func `text cut in two anywhere makes the same chain`(vector: Vector) {
        let bytes = Array(vector.text.utf8)
        var chain = PrefixChain(blockBytes: vector.blockBytes, maxBlocks: vector.maxBlocks)
        for cut in 0...bytes.count {
            chain.begin(salt: PrefixChain.salt(model: vector.model))
            chain.append(bytes.span.extracting(0..<cut))
            chain.append(bytes.span.extracting(cut..<bytes.count))
            chain.finish()
            #expect(chain.values == vector.hashes, "cut at \(cut)")
        }
    }

    @Test(arguments: [1, 3, 255, 257, 700])
    func `text in pieces of any size makes the same chain`(size: Int) {
        let bytes = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var whole = PrefixChain(blockBytes: 256, maxBlocks: 64)
        whole.append(bytes.span)
        whole.finish()
        var pieces = PrefixChain(blockBytes: 256, maxBlocks: 64)
        for start in stride(from: 0, to: bytes.count, by: size) {
            pieces.append(bytes.span.extracting(start..<min(start + size, bytes.count)))
        }
        pieces.finish()
        #expect(whole.count == 20 && pieces.values == whole.values)
        #expect(whole.byteCount == 5_000 && pieces.byteCount == 5_000)
    }

    @Test func `a salt is the model's XXH64`() {
        let name = Array("modelX".utf8)
        #expect(PrefixChain.salt(model: "modelX") == 13_872_282_045_516_468_296)
        #expect(PrefixChain.salt(model: name.span) == 13_872_282_045_516_468_296)
        // The published value of no bytes at all.
        #expect(PrefixChain.salt(model: "") == 0xEF46_DB37_51D8_E999)
    }

    @Test func `text behind the last block does not take part`() {
        let exact = PrefixChain(String(repeating: "x", count: 16_384))
        let longer = PrefixChain(String(repeating: "x", count: 20_000))
        #expect(exact.count == 64 && exact.isFull && longer.values == exact.values)
        #expect(exact.byteCount == 16_384 && longer.byteCount == 16_384)
    }

    @Test func `no text is no hint`() {
        let chain = PrefixChain("")
        #expect(chain.isEmpty && chain.count == 0 && chain.byteCount == 0)
    }

    @Test func `a last short block counts once it is finished`() {
        var chain = PrefixChain(blockBytes: 4, maxBlocks: 8)
        chain.append("abcdef")
        #expect(chain.count == 1 && chain.byteCount == 6)
        chain.finish()
        #expect(chain.count == 2)
        chain.finish()
        #expect(chain.count == 2)
        #expect(chain.bytes(inFirst: 0) == 0 && chain.bytes(inFirst: 1) == 4 && chain.bytes(inFirst: 2) == 6)
    }

    @Test func `a chain that is used again remembers nothing`() {
        var chain = PrefixChain(String(repeating: "y", count: 700))
        chain.begin(salt: PrefixChain.salt(model: "m1"))
        chain.append("abc")
        chain.finish()
        #expect(chain.values == [13_420_279_635_722_420_338] && chain.byteCount == 3)
    }

    @Test func `a copy goes its own way`() {
        var chain = PrefixChain(blockBytes: 4, maxBlocks: 8)
        chain.append("ab")
        var copy = chain
        chain.append("cd")
        copy.append("xy")
        var fresh = PrefixChain(blockBytes: 4, maxBlocks: 8)
        fresh.append("abcd")
        #expect(chain.values == fresh.values && copy.values != fresh.values)
    }
}
