import Routing
import Testing

@Suite struct CandidateLoadsTests {
    private static func table(of count: Int, _ policy: PolicyName = .roundRobin) -> (ReplicaTable, [ReplicaID]) {
        var settings = RoutingSettings()
        settings.policy = policy
        var table = ReplicaTable(settings: settings)
        let replicas = (0..<count).map { table.add(name: "r\($0)", weight: 1) }
        for replica in replicas { table.setAvailability(replica, .available) }
        return (table, replicas)
    }

    private static func loads(_ decision: PickDecision) -> [CandidateLoads.Load] {
        (0..<decision.candidates.count).map { decision.candidates[$0] }
    }

    @Test func `a pick tells who else could have been picked, and how busy they were before it`() throws {
        var (table, replicas) = Self.table(of: 3, .leastInFlight)
        let now = Instant(nanoseconds: 1)
        let chain = PrefixChain(settings: table.settings)
        let picked = table.pickAndLease(chain, at: now)
        let first = try #require(picked)
        #expect(Self.loads(first).map(\.replica) == replicas && Self.loads(first).map(\.inFlight) == [0, 0, 0])
        let pickedNext = table.pickAndLease(chain, at: now)
        let second = try #require(pickedNext)
        #expect(second.candidates.total == 3 && Self.loads(second).map(\.inFlight).sorted() == [0, 0, 1])
        #expect(Self.loads(second).first { $0.replica == first.replica }?.inFlight == 1)
    }

    @Test func `of many candidates the first eight are kept, and the picked one always is`() throws {
        var (table, replicas) = Self.table(of: 12)
        let chain = PrefixChain(settings: table.settings)
        for turn in 0..<24 {
            let picked = table.pickAndLease(chain, at: Instant(nanoseconds: 1))
            let decision = try #require(picked)
            let kept = Self.loads(decision).map(\.replica)
            #expect(decision.candidates.total == 12 && kept.count == CandidateLoads.most)
            #expect(kept.contains(decision.replica) && Array(kept.dropLast()) == Array(replicas.prefix(7)), "\(turn)")
        }
    }

    @Test func `a call that says itself where it belongs had no candidates`() throws {
        var (table, replicas) = Self.table(of: 2)
        let picked = table.pickBound(to: replicas[1])
        let decision = try #require(picked)
        #expect(decision.candidates.count == 0 && decision.candidates.total == 0)
    }
}
