import Routing
import Testing

struct ExpectedTTFTTests {
    /// Prompts of a thousand tokens per letter; a token takes a sixth of a millisecond at first.
    private static func settings(maxWaitMs: Int = 0) -> RoutingSettings {
        var settings = RoutingSettings()
        settings.policy = .expectedTTFT
        settings.expectedTTFT.maxWaitMs = maxWaitMs
        settings.expectedTTFT.startsInLine = true
        return settings
    }

    private static func chain(_ text: String) -> PrefixChain {
        var chain = PrefixChain(settings: Self.settings())
        chain.begin(salt: 0)
        for letter in text.utf8 { chain.append(block: UInt64(letter), bytes: 4_096) }
        chain.finish()
        return chain
    }

    @Test func `a conversation stays with its replica and others spread`() throws {
        var (table, _) = ReplicaTable.of(4, settings: Self.settings())
        var homes: [ReplicaID] = []
        for (number, text) in ["a", "b", "c", "d"].enumerated() {
            let decision = try found(table.serve(Self.chain(text), at: at(UInt64(number) * 1_000)))
            #expect(decision.reason == .cold)
            homes.append(decision.replica)
        }
        #expect(Set(homes).count == 4)
        for (number, text) in ["ax", "bx", "cx", "dx"].enumerated() {
            let decision = try found(table.serve(Self.chain(text), at: at(10_000 + UInt64(number) * 1_000)))
            #expect(decision.replica == homes[number] && decision.reason == .prefixMatch)
            #expect(decision.matchedBlocks == 1 && decision.matchedBytes == 4_096)
        }
    }

    @Test func `a warm replica is left when waiting for it costs more than it saves`() throws {
        var (table, replicas) = ReplicaTable.of(2, settings: Self.settings())
        let warm = try found(table.serve(Self.chain("a"), at: at(0))).replica
        let cold = try #require(replicas.first { $0 != warm })
        #expect(try found(table.serve(Self.chain("ab"), at: at(1_000))).replica == warm)
        // Unstarted work of ten thousand tokens: more than the thousand that are saved there.
        var busy = try found(table.pickAndLease(Self.chain("abcdefghijk"), at: at(2_000)))
        #expect(busy.replica == warm)
        let diverted = try found(table.pickAndLease(Self.chain("az"), at: at(2_000)))
        #expect(diverted.replica == cold && diverted.reason == .diverted && diverted.diverted)
        // Once it has answered, only its streams are many, and its work is little.
        table.firstResponse(busy.lease, at: at(3_500))
        busy = try found(table.pickAndLease(Self.chain("abq"), at: at(3_500)))
        #expect(busy.replica == warm)
    }

    @Test func `a restarted replica is believed to be empty`() throws {
        var (table, _) = ReplicaTable.of(2, settings: Self.settings())
        let warm = try found(table.serve(Self.chain("ab"), at: at(0))).replica
        table.forgetCache(of: warm)
        let decision = try found(table.serve(Self.chain("abc"), at: at(1_000)))
        #expect(decision.matchedBlocks == 0)
    }

    @Test func `while all are busy prompts wait, and the shortest goes first`() throws {
        var (table, _) = ReplicaTable.of(2, settings: Self.settings(maxWaitMs: 10_000))
        let busy = try ["abcdef", "ghijklmnop"].map { text -> PickDecision in
            guard case .picked(let decision)? = table.arrive(1, Self.chain(text), at: at(0)) else {
                throw PatternProblem()
            }
            return decision
        }
        #expect(busy[0].replica != busy[1].replica)
        for (id, text) in [(7, "qrstuv"), (8, "wx"), (9, "yz")] as [(UInt64, String)] {
            guard case .hold(let until)? = table.arrive(id, Self.chain(text), at: at(10)) else {
                throw PatternProblem()
            }
            #expect(until == at(10_010))
            #expect(table.nextDispatch(at: at(10))?.id == nil)
        }
        let wake = try #require(table.wakeAt)
        #expect(wake > at(10) && wake < at(2_000))
        table.firstResponse(busy[0].lease, at: at(900))
        let next = try found(table.nextDispatch(at: at(900)))
        #expect(next.id == 8 && next.decision?.replica == busy[0].replica)
        #expect(table.nextDispatch(at: at(900))?.id == nil)
        table.withdrawWaiting(9)
        // Nobody waits for ever.
        #expect(table.nextDispatch(at: at(10_010))?.id == 7)
        #expect(table.waitingCount == 0 && table.wakeAt == nil)
    }

    @Test func `a replica that turns out slow gets less`() throws {
        var (table, replicas) = ReplicaTable.of(2, settings: Self.settings())
        var random = SplitMix64(seed: 1)
        var picks: [ReplicaID: Int] = [:]
        var now: UInt64 = 0
        for step in 0..<400 {
            var chain = PrefixChain(settings: Self.settings())
            chain.begin(salt: random.next())
            chain.append(block: UInt64(step), bytes: 8_192)
            chain.finish()
            // Two at a time, so that the second has a choice to make.
            let pair = try (0..<2).map { _ in try found(table.pickAndLease(chain, at: at(now))) }
            for decision in pair { picks[decision.replica, default: 0] += 1 }
            let ends = pair.map { now + ($0.replica == replicas[0] ? 1_000 : 250) }
            for (decision, end) in zip(pair, ends).sorted(by: { $0.1 < $1.1 }) {
                table.firstResponse(decision.lease, at: at(end))
                table.release(decision.lease, .served, at: at(end))
            }
            now += 3_000
        }
        #expect(picks[replicas[1], default: 0] > 5 * picks[replicas[0], default: 0])
    }

    @Test func `a call that answers once holds nobody up for longer than its prompt should take`() throws {
        var (table, _) = ReplicaTable.of(1, settings: Self.settings())
        _ = table.pickAndLease(Self.chain("abcdef"), answersOnce: true, at: at(0))
        let soon = try found(table.pickAndLease(Self.chain("x"), at: at(100)))
        table.firstResponse(soon.lease, at: at(1_200))
        let late = try found(table.pickAndLease(Self.chain("y"), at: at(20_000)))
        #expect(soon.expectedSeconds > 0.9 && late.expectedSeconds < 0.5)
    }

    private struct PatternProblem: Error {}
}
