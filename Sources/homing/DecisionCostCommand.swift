import ArgumentParser
import Foundation
import Replay
import Routing

/// `homing decision-cost`: what `scripts/bench decision` runs.
struct DecisionCostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decision-cost", abstract: "Measure what one routing decision costs.", shouldDisplay: false)

    @Option var policy = PolicyName.expectedTTFT
    @Option var promptBytes = 12_288
    @Option var replicas = 64
    @Option var blocks = 1_000_000
    @Option var decisions = 20_000

    func validate() throws {
        guard self.promptBytes > 0, (1...4_096).contains(self.replicas), self.blocks > 0, self.decisions >= 0 else {
            throw ValidationError("Numbers are positive.")
        }
    }

    func run() throws {
        let cost = DecisionCost.measure(
            policy: self.policy, promptBytes: self.promptBytes, replicas: self.replicas, blocks: self.blocks,
            decisions: self.decisions)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        print(String(decoding: try encoder.encode(cost), as: UTF8.self))
    }
}
