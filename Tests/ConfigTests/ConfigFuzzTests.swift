import Testing

@testable import Config

/// Whatever stands in a file, reading it ends with settings or with problems, and the settings can be written and read
/// back.
struct ConfigFuzzTests {
    @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
    func `a sample with random damage is read or refused`(seed: UInt64) {
        var random = SplitMix64(state: seed)
        let sample = Array(SampleSettings.file.utf8)
        var accepted = 0
        var refused = 0
        for round in 0..<1_500 {
            var bytes = sample
            for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&bytes, using: &random) }
            var settings = SampleSettings()
            let findings = ConfigText.read(bytes: bytes, into: &settings, secrets: .sample)
            guard findings.problems.isEmpty else {
                refused += 1
                #expect(findings.problems.allSatisfy { !$0.text.isEmpty && !$0.description.contains("\n") })
                #expect(findings.problems.count <= Reading.mostProblems + 1)
                continue
            }
            accepted += 1
            let (again, secondFindings) = read(ConfigText.effective(settings))
            #expect(secondFindings.problems.isEmpty && again == settings, "seed \(seed), round \(round)")
        }
        #expect(accepted > 20 && refused > 20, "seed \(seed): the damage is too small or too large to mean anything")
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
    func `YAML made of random pieces is read or refused`(seed: UInt64) {
        var random = SplitMix64(state: seed)
        let pieces = [
            "threads", "limits", "groups", "members", "wait_ms", "<<", ": ", ":", "\n", "\n  ", "\n    ", "- ", "[",
            "]",
            "{", "}", ", ", "&a ", "*a", "!!str ", "!<x> ", "|\n", ">-\n", "'", "\"", "\\", "#", "? ", "---\n", "...\n",
            "%YAML 1.1\n", "~", "1", "\t", "\r\n", "\u{0}", "\u{FEFF}", "\u{85}", "\u{2028}", "é", "\u{F8FF}",
        ]
        for _ in 0..<4_000 {
            let length = Int.random(in: 1...30, using: &random)
            let text = (0..<length).map { _ in pieces.randomElement(using: &random)! }.joined()
            let problems = read(text).findings.problems
            #expect(problems.allSatisfy { !$0.text.isEmpty }, "seed \(seed)")
        }
    }

    @Test func `a sample cut at every position is read or refused`() {
        let sample = Array(SampleSettings.file.utf8)
        var refused = 0
        for count in sample.indices {
            var settings = SampleSettings()
            let findings = ConfigText.read(bytes: Array(sample[..<count]), into: &settings, secrets: .sample)
            refused += findings.problems.isEmpty ? 0 : 1
        }
        #expect(refused > 20 && refused < sample.count)
    }
}

/// Changes, removes, repeats or moves a few bytes.
private func damage(_ bytes: inout [UInt8], using random: inout SplitMix64) {
    guard !bytes.isEmpty else { return }
    let position = Int.random(in: bytes.indices, using: &random)
    let end = min(bytes.count, position + Int.random(in: 1...24, using: &random))
    switch Int.random(in: 0...4, using: &random) {
    case 0: bytes[position] = UInt8.random(in: 0 ... .max, using: &random)
    case 1: bytes[position] = Array(":-[]{}&*!|>'\"#,? \n\t0".utf8).randomElement(using: &random)!
    case 2: bytes.removeSubrange(position..<end)
    case 3: bytes.insert(contentsOf: bytes[position..<end], at: Int.random(in: 0...bytes.count, using: &random))
    default: bytes.swapAt(position, Int.random(in: bytes.indices, using: &random))
    }
}

/// A small random number generator that gives the same numbers for the same seed.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
