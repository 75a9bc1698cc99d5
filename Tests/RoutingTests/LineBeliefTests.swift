import Routing
import Testing

/// Whether replicas compute prompts one after the other is found out from what they do.
struct LineBeliefTests {
    private struct Held {
        var count = 0
        var longestMs: UInt64 = 0
    }

    /// Bursts of eight prompts of half a second each on two replicas. Returns what was held in the last ten of thirty.
    private static func play(inLine: Bool, startsInLine: Bool) throws -> (Held, ReplicaEstimates) {
        var settings = RoutingSettings()
        settings.expectedTTFT.maxWaitMs = 2_000
        settings.expectedTTFT.startsInLine = startsInLine
        var (table, replicas) = ReplicaTable.of(2, settings: settings)
        var random = SplitMix64(seed: 4)
        var chain = PrefixChain(settings: settings)
        var held = Held()
        var free = [UInt64](repeating: 0, count: 2)
        var answers: [(at: UInt64, lease: Lease)] = []
        var number: UInt64 = 0
        func sent(_ decision: PickDecision, at now: UInt64) {
            let position = replicas[0] == decision.replica ? 0 : 1
            let starts = inLine ? max(now, free[position]) : now
            free[position] = starts + 500
            answers.append((starts + 500, decision.lease))
        }
        for burst: UInt64 in 0..<30 {
            let isLast = burst >= 20
            for now in (burst * 6_000)..<((burst + 1) * 6_000) {
                // Single ones before the burst say what a prompt takes by itself.
                let arrivals = now % 6_000 == 0 ? 1 : now % 6_000 == 1_000 ? 8 : 0
                for _ in 0..<arrivals {
                    number += 1
                    chain.begin(salt: random.next())
                    chain.append(block: number, bytes: 16_384)
                    chain.finish()
                    switch table.arrive(number, chain, at: at(now)) {
                    case .picked(let decision): sent(decision, at: now)
                    case .hold: if isLast { held.count += 1 }
                    case .refused, nil: Issue.record("nobody is full and all are there")
                    }
                }
                for answer in answers where answer.at == now {
                    table.firstResponse(answer.lease, at: at(now))
                    table.release(answer.lease, .served, at: at(now))
                }
                answers.removeAll { $0.at <= now }
                while let dispatch = table.nextDispatch(at: at(now)) {
                    if isLast { held.longestMs = max(held.longestMs, dispatch.waitedNs / 1_000_000) }
                    sent(try #require(dispatch.decision), at: now)
                }
            }
        }
        return (held, try #require(table.estimates(of: replicas[0])))
    }

    @Test(arguments: [false, true])
    func `prompts wait where they would stand in line`(startsInLine: Bool) throws {
        let (held, estimates) = try Self.play(inLine: true, startsInLine: startsInLine)
        #expect(held.count >= 40 && estimates.lineShare > 0.9, "\(held) \(estimates)")
        #expect(held.longestMs <= 2_001)
    }

    @Test(arguments: [false, true])
    func `prompts that are computed side by side are let go, whatever was believed at first`(startsInLine: Bool) throws
    {
        let (held, estimates) = try Self.play(inLine: false, startsInLine: startsInLine)
        #expect(held.count <= 8 && estimates.lineShare < 0.5, "\(held) \(estimates)")
        #expect(abs(estimates.predictedMs - estimates.observedMs) < 250, "\(estimates)")
    }
}
