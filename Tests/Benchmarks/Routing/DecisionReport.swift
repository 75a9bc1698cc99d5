import Foundation
import Replay
import Routing

/// What one decision costs, as one JSON object.
struct DecisionReport {
    let options: BenchOptions

    init(_ options: BenchOptions) { self.options = options }

    func run() throws {
        guard let policy = PolicyName(rawValue: self.options.text("policy", "expected_ttft")) else {
            throw BenchProblem("--policy names a policy")
        }
        let cost = DecisionCost.measure(
            policy: policy, promptBytes: max(1, try self.options.number("prompt-bytes", 12_288)),
            replicas: max(1, try self.options.number("replicas", 64)),
            blocks: max(1, try self.options.number("blocks", 1_000_000)),
            decisions: try self.options.number("decisions", 20_000))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        print(String(decoding: try encoder.encode(cost), as: UTF8.self))
    }
}

/// What a process that decides has in memory after many different prompts.
struct MemoryReport {
    let options: BenchOptions

    init(_ options: BenchOptions) { self.options = options }

    func run() throws {
        let prompts = try self.options.number("prompts", 12_000)
        let bytes = try self.options.number("prompt-bytes", 13_824)
        let before = try Self.residentBytes()
        let table = DecisionCost.fill(prompts: prompts, promptBytes: bytes, replicas: 8)
        let after = try Self.residentBytes()
        let megabytes = { (bytes: Int) in String(format: "%.1f", Double(bytes) / 1e6) }
        print(
            "{\"index_mb\":\(megabytes(table.indexMemoryBytes)),\"blocks\":\(table.indexedBlocks),"
                + "\"resident_mb\":\(megabytes(after)),\"resident_before_mb\":\(megabytes(before))}")
    }

    /// Of this process, as Linux tells it.
    private static func residentBytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kibibytes = line?.split(separator: " ").dropLast().last.flatMap({ Int($0) }) else {
            throw BenchProblem("the system does not tell how much memory is resident")
        }
        return kibibytes * 1_024
    }
}
