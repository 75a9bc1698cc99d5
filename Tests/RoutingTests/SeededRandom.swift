import Foundation

/// A repeatable sequence for random tests (SplitMix64). Each test makes one, and it prints its seed; set
/// `HOMING_TEST_SEED` to run a failed one again.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

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

    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }
}
