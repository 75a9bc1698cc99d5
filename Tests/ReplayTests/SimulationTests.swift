import Replay
import Routing
import Testing

/// One after the other: they would take every core from tests that wait for peers.
@Suite(.serialized)
struct SimulationTests {
    private static func ttft(
        _ family: SyntheticFamily, _ policy: ReplayPolicy, utilisation: Double? = nil, requests: Int = 2_000,
        seed: UInt64 = 3,
        change: (inout RoutingSettings) -> Void = { _ in }
    ) -> ReplayResult {
        var settings = RoutingSettings()
        settings.expectedTTFT.maxWaitMs = 0
        change(&settings)
        let fleet = FleetSettings()
        var trace = Trace.synthetic(family, requests: requests, seed: seed)
        if let utilisation { trace = trace.faster(utilisation / trace.utilisation(fleet)) }
        return policy.run(trace, fleet, settings: settings)
    }

    @Test(arguments: ReplayPolicy.all)
    func `the same trace gives the same placements again, and every request ends`(policy: ReplayPolicy) {
        let first = Self.ttft(.bursts, policy, requests: 300)
        let second = Self.ttft(.bursts, policy, requests: 300)
        #expect(first.placements == second.placements && first.ttft == second.ttft)
        #expect(first.ttft.count == 300 && first.ttft.allSatisfy { $0 >= 0 && $0.isFinite })
    }

    @Test(arguments: SyntheticFamily.allCases)
    func `expected_ttft is never worse than least_in_flight`(family: SyntheticFamily) {
        let ours = Self.ttft(family, .shipped(.expectedTTFT))
        let theirs = Self.ttft(family, .shipped(.leastInFlight))
        #expect(ours.meanTTFT <= 1.05 * theirs.meanTTFT)
    }

    /// `scripts/bench routing` looks at all families, and at five seeds of each.
    @Test(arguments: [0.1, 10])
    func `beliefs that start ten times wrong are soon no worse`(factor: Double) {
        let right = Self.ttft(.agents, .shipped(.expectedTTFT), utilisation: 0.6).late
        let wrong = Self.ttft(.agents, .shipped(.expectedTTFT), utilisation: 0.6) {
            $0.expectedTTFT.prefillTokensPerSecond *= factor
            $0.expectedTTFT.overheadMs /= factor
            $0.expectedTTFT.cacheTokens = Int(2_000_000 * factor)
        }.late
        #expect(wrong <= 1.05 * right)
    }

    @Test func `a head that everybody shares glues nobody to one replica`() {
        let result = Self.ttft(.sharedHead, .shipped(.expectedTTFT), utilisation: 0.1)
        #expect(result.maxShare <= 1.2 / 8)
    }

    @Test func `holding prompts back while all are busy makes them wait less on average`() {
        let held = Self.ttft(.conversations, .shipped(.expectedTTFT), utilisation: 0.8) {
            $0.expectedTTFT.maxWaitMs = 30_000
        }
        let sent = Self.ttft(.conversations, .shipped(.expectedTTFT), utilisation: 0.8)
        let greedy = Self.ttft(.conversations, .baseline(.trueGreedy), utilisation: 0.8)
        #expect(held.meanTTFT < sent.meanTTFT && held.meanTTFT < 0.75 * greedy.meanTTFT)
    }

    @Test func `one idle replica answers in exactly its prefill time and remembers`() {
        let blocks: [UInt64] = [1, 2, 3, 4]
        let trace = Trace(
            name: "two",
            requests: [
                Trace.Request(arrivalMs: 0, inputTokens: 2_048, outputTokens: 10, blocks: blocks),
                Trace.Request(arrivalMs: 5_000, inputTokens: 2_560, outputTokens: 10, blocks: blocks + [5]),
            ])
        var fleet = FleetSettings()
        fleet.replicas = 1
        let result = ReplayPolicy.shipped(.roundRobin).run(trace, fleet, settings: RoutingSettings())
        #expect(result.ttft.map { ($0 * 1_000).rounded() } == [256, 64])
        #expect(result.hits == [0, 0.8] && result.hit == 2_048.0 / 4_608)
    }
}

extension ReplayResult {
    /// What the requests after the first 500 waited for their first token, in seconds.
    fileprivate var late: Double { self.ttft.dropFirst(500).reduce(0, +) }
}
