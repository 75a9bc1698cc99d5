import Testing
import Wire

struct GRPCTimeoutTests {
    private static func nanoseconds(_ value: String) -> UInt64? {
        Array(value.utf8).withRawSpan { GRPCTimeout.nanoseconds($0) }
    }

    private static func text(_ nanoseconds: UInt64) -> String {
        String(decoding: GRPCTimeout.text(nanoseconds: nanoseconds), as: UTF8.self)
    }

    @Test(
        arguments: [
            ("0n", 0), ("1n", 1), ("99999999n", 99_999_999), ("7u", 7_000), ("250m", 250_000_000),
            ("10S", 10_000_000_000), ("2M", 120_000_000_000), ("1H", 3_600_000_000_000), ("00000001S", 1_000_000_000),
            ("5124095H", 18_446_742_000_000_000_000), ("5124096H", .max), ("99999999H", .max),
        ] as [(String, UInt64)])
    func `values are read`(value: String, nanoseconds: UInt64) {
        #expect(Self.nanoseconds(value) == nanoseconds)
    }

    @Test(
        arguments: [
            "", "n", "1", "S", "123456789S", "1s", "1h", "-1S", "+1S", " 1S", "1 S", "1S ", "1.5S", "1ms", "０S", "1\0",
        ])
    func `other values are refused`(value: String) {
        #expect(Self.nanoseconds(value) == nil)
    }

    @Test(
        arguments: [
            (0, "0n"), (1, "1n"), (99_999_999, "99999999n"), (100_000_000, "100000u"), (100_000_001, "100001u"),
            (10_000_000_000, "10000000u"), (3_600_000_000_000, "3600000m"), (.max, "5124096H"),
        ] as [(UInt64, String)])
    func `times are told in the finest unit with room`(nanoseconds: UInt64, text: String) {
        #expect(Self.text(nanoseconds) == text)
    }

    @Test(arguments: [4, 20_261_124] as [UInt64])
    func `a told time is never shorter, and longer by one unit at most`(seed: UInt64) {
        print("seed \(seed)")
        var numbers = SeededNumbers(seed: seed)
        for _ in 0..<10_000 {
            let meant = numbers.next() >> UInt64.random(in: 0...63, using: &numbers)
            let told = Self.nanoseconds(Self.text(meant)) ?? 0
            #expect(told >= meant, "seed \(seed), \(meant) ns")
            // Eight digits: off by less than one in ten million, once they are needed; hours follow minutes by 60.
            #expect(told == .max || told - meant <= max(meant / 100_000, 0), "seed \(seed), \(meant) ns")
        }
    }
}
