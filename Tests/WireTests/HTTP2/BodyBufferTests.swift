import Foundation
import Testing

@testable import Wire

@Suite struct BodyBufferTests {
    /// SplitMix64; the seed is printed, and `HOMING_TEST_SEED` sets it.
    struct Random: RandomNumberGenerator {
        var state: UInt64

        init(_ test: StaticString) {
            let fixed = ProcessInfo.processInfo.environment["HOMING_TEST_SEED"].flatMap { UInt64($0) }
            self.state = fixed ?? UInt64.random(in: 0...UInt64(UInt32.max))
            print("\(test): HOMING_TEST_SEED=\(self.state)")
        }

        mutating func next() -> UInt64 {
            self.state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = self.state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// The same as two plain arrays.
    struct Model {
        var framed: [UInt8] = []
        var unframed: [UInt8] = []
        var keeps = false
    }

    @Test func `behaves like plain arrays under random operations`() {
        var random = Random("BodyBuffer against arrays")
        for _ in 0..<20 {
            var buffer = BodyBuffer()
            var model = Model()
            for _ in 0..<200 {
                switch Int.random(in: 0..<20, using: &random) {
                case 0..<8:
                    let count = Int.random(in: 0...(Bool.random(using: &random) ? 40 : 5_000), using: &random)
                    let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                    unsafe bytes.withUnsafeBytes { unsafe buffer.append($0) }
                    model.unframed += bytes
                case 8..<15:
                    let count = Int.random(in: 0...model.unframed.count, using: &random)
                    var seen: [UInt8] = []
                    unsafe buffer.frame(count) { seen = unsafe Array($0) }
                    #expect(seen == Array(model.unframed.prefix(count)))
                    if model.keeps { model.framed += seen }
                    model.unframed.removeFirst(count)
                case 15 where model.keeps, 16 where model.keeps:
                    #expect(buffer.rewind() == model.framed.count)
                    model.unframed = model.framed + model.unframed
                    model.framed = []
                case 17 where model.keeps:
                    buffer.dropFramedBytes()
                    model.keeps = false
                    model.framed = []
                case 18:
                    buffer.removeAll()
                    model = Model()
                    if Bool.random(using: &random) {
                        buffer.keepFramedBytes()
                        model.keeps = true
                    }
                default: ()
                }
                #expect(buffer.withUnframed { $0.copied } == model.unframed)
                #expect(buffer.unframedCount == model.unframed.count)
                #expect(buffer.heldCount == model.unframed.count + model.framed.count)
                #expect(buffer.keepsFramedBytes == model.keeps)
            }
        }
    }
}
