import Replay
import Routing
import Testing

@testable import homing

/// The live proxy and the replay run the same code: here they do the same.
@Suite(.serialized) struct LivePlayTests {
    /// Conversations with a system prompt that all share, asked one turn after the other.
    private static func trace() -> Trace {
        var requests: [Trace.Request] = []
        var random = SplitMix64(seed: 20_261_122)
        var histories = (0..<4).map { number in [1, 2, UInt64(1_000 * (number + 1))] }
        for step in 0..<20 {
            let conversation = Int(random.next() % 4)
            histories[conversation].append(UInt64(1_000 * (conversation + 1) + step + 1))
            let blocks = histories[conversation]
            requests.append(
                Trace.Request(
                    // Far enough apart that each has ended when the next one comes.
                    arrivalMs: Double(step) * 5_000, inputTokens: blocks.count * Trace.blockTokens, outputTokens: 1,
                    blocks: blocks))
        }
        return Trace(name: "turns", requests: requests)
    }

    @Test(arguments: [PolicyName.expectedTTFT, .prefixCache, .roundRobin, .leastInFlight])
    func `one call after the other, live picks are those of the replay`(policy: PolicyName) async throws {
        var plan = LiveFleet.Plan()
        plan.replicas = 3
        // What a cache saves here is far more than what a busy machine adds.
        plan.prefill = 8_000
        plan.routing.policy = policy
        let play = LivePlay(Self.trace(), plan)
        let live = try await play.live(oneByOne: true)
        let replayed = play.replayed()
        guard policy != .expectedTTFT else {
            // It learns from how long answers take, which on a machine that does other things is not what it was before.
            #expect(abs(live.hit - replayed.hit) < 0.1)
            return
        }
        #expect(live.placements == replayed.placements)
        // The worker's blocks are 16 tokens, the replay's 512, and a worker always computes one token.
        for (one, other) in zip(live.hits, replayed.hits) { #expect(abs(one - other) < 0.02) }
        #expect(abs(live.hit - replayed.hit) < 0.01)
        // What is on top in real life is this machine's: it may be slow, but never faster than the simulation.
        for (one, other) in zip(live.ttft, replayed.ttft) { #expect(one > other * 0.99 - 0.001) }
    }

    @Test func `many at a time, live does about what the replay does, and beats taking turns`() async throws {
        var trace = Trace.synthetic(.conversations, requests: 120, seed: 3)
        var plan = LiveFleet.Plan()
        plan.replicas = 3
        plan.cacheTokens = 400_000
        plan.routing.expectedTTFT.startsInLine = true
        var fleet = FleetSettings()
        fleet.replicas = plan.replicas
        fleet.replica.cacheTokens = plan.cacheTokens
        trace = trace.faster(0.6 / trace.utilisation(fleet))
        plan.routing.policy = .expectedTTFT
        let play = LivePlay(trace, plan, speed: 10)
        plan.routing.policy = .roundRobin
        let inTurn = LivePlay(trace, plan, speed: 10)
        async let live = play.live()
        async let liveInTurn = inTurn.live()
        let (ours, theirs) = try await (live, liveInTurn)
        // What was cached is a count and not a time.
        #expect(abs(ours.hit - play.replayed().hit) < 0.15)
        #expect(ours.hit > theirs.hit)
    }
}
