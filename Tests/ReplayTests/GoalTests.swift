import Foundation
import Replay
import Routing
import Testing

/// The goals of routing on a few small scenarios with fixed seeds; `scripts/bench routing` looks at all of them. On
/// virtual time: nothing here depends on the machine. One after the other, or they would take every core from tests that
/// wait for peers.
@Suite(.serialized)
struct GoalTests {
    private static let families: [SyntheticFamily] = [.conversations, .agents, .documents, .unique]

    private static func scenario(_ family: SyntheticFamily, _ load: Double, requests: Int = 400) -> Scenario {
        Scenario(.family(family, requests: requests, seed: 5), load: load)
    }

    private static func run(_ policy: ReplayPolicy, _ scenario: Scenario) -> ReplayResult {
        policy.run(scenario.trace(), scenario.fleet, settings: scenario.settings)
    }

    private static func geometricMean(_ ratios: [Double]) -> Double {
        exp(ratios.reduce(0) { $0 + log($1) } / Double(ratios.count))
    }

    @Test func `learned beliefs do nearly as well as true knowledge, and the plan better than greed`() {
        var (toGreedy, toPlanner, hits) = ([Double](), [Double](), [Double]())
        for family in Self.families {
            let scenario = Self.scenario(family, 0.75)
            let ours = Self.run(.shipped(.expectedTTFT), scenario)
            let planner = Self.run(.baseline(.truePlanner), scenario)
            let greedy = Self.run(.baseline(.trueGreedy), scenario)
            toGreedy.append(ours.meanTTFT / greedy.meanTTFT)
            toPlanner.append(ours.meanTTFT / planner.meanTTFT)
            if planner.hit > 0.01 { hits.append(ours.hit / planner.hit) }
        }
        #expect(Self.geometricMean(toGreedy) <= 0.75 && toGreedy.max() ?? 0 <= 1.1)
        #expect(Self.geometricMean(toPlanner) <= 1.08)
        #expect(Self.geometricMean(hits) >= 0.97)
    }

    @Test(arguments: families, [0.1, 10])
    func `however wrong the start, it is no worse than least_in_flight`(family: SyntheticFamily, factor: Double) {
        let scenario = Self.scenario(family, 0.7)
        var settings = scenario.settings
        settings.expectedTTFT.prefillTokensPerSecond *= factor
        settings.expectedTTFT.overheadMs /= factor
        settings.expectedTTFT.cacheTokens = Int(2_000_000 * factor)
        let ours = ReplayPolicy.shipped(.expectedTTFT).run(scenario.trace(), scenario.fleet, settings: settings)
        let least = Self.run(.shipped(.leastInFlight), scenario)
        #expect(ours.meanTTFT <= 1.05 * least.meanTTFT)
    }

    @Test func `LocalAI's own router takes several times as long where prompts come back`() {
        let scenario = Self.scenario(.conversations, 0.7, requests: 1_500)
        let ours = Self.run(.shipped(.expectedTTFT), scenario)
        let theirs = Self.run(.baseline(.localAI), scenario)
        #expect(theirs.meanTTFT >= 2.8 * ours.meanTTFT && theirs.ttft(at: 0.99) >= 1.7 * ours.ttft(at: 0.99))
    }

    @Test func `a block of the index takes 64 bytes at most`() {
        let few = DecisionCost.fill(prompts: 400, promptBytes: 13_824, replicas: 8)
        let many = DecisionCost.fill(prompts: 1_600, promptBytes: 13_824, replicas: 8)
        let bytes = Double(many.indexMemoryBytes - few.indexMemoryBytes)
        #expect(bytes / Double(many.indexedBlocks - few.indexedBlocks) <= 64)
    }
}
