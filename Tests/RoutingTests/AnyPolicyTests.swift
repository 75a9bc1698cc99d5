import Routing
import Testing

/// What holds for every policy, whatever happens.
struct AnyPolicyTests {
    @Test(arguments: PolicyName.allCases, [0, 200])
    func `nobody picks an excluded or unavailable replica, and every lease comes back`(
        policy: PolicyName, maxWaitMs: Int
    ) throws {
        var random = SeededRandom(#function)
        var settings = RoutingSettings.letters(policy)
        settings.maxIndexBlocks = 40
        settings.expectedTTFT.maxWaitMs = maxWaitMs
        settings.expectedTTFT.startsInLine = true
        settings.admission.maxWaiting = 5
        var table = ReplicaTable(settings: settings)
        var standing: [ReplicaID: Availability] = [:]
        var held: [Lease] = []
        var waiting: Set<UInt64> = []
        var now: UInt64 = 0
        func check(_ decision: PickDecision, excluding: [ReplicaID], _ step: Int) throws {
            let availability = try #require(standing[decision.replica], "step \(step): it is no member")
            try #require(!excluding.contains(decision.replica), "step \(step): it was excluded")
            let hasBetter = standing.contains { !excluding.contains($0.key) && $0.value.standing == .candidate }
            try #require(availability.standing == (hasBetter ? .candidate : .lastResort), "step \(step)")
        }
        for step in 0..<3_000 {
            now += UInt64.random(in: 0...40, using: &random)
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<3 where standing.count < 8:
                standing[table.add(name: "replica", weight: 1)] = .unknown
            case 3..<5:
                guard let replica = standing.keys.sorted().randomElement(using: &random) else { continue }
                table.remove(replica)
                standing[replica] = nil
            case 5..<15:
                guard let replica = standing.keys.sorted().randomElement(using: &random) else { continue }
                let availability =
                    random.chance(0.8) ? .available : Availability.allCases.randomElement(using: &random)!
                table.setAvailability(replica, availability)
                standing[replica] = availability
            case 15..<17:
                guard let replica = standing.keys.sorted().randomElement(using: &random) else { continue }
                table.forgetCache(of: replica)
            case 17..<40:
                let excluding = standing.keys.sorted().filter { _ in random.chance(0.2) }
                let decision = table.pickAndLease(
                    Self.chain(&random), excluding: excluding, answersOnce: random.chance(0.2), at: at(now))
                let isPossible = standing.contains { !excluding.contains($0.key) && $0.value.standing != .out }
                #expect((decision != nil) == isPossible, "step \(step)")
                guard let decision else { continue }
                try check(decision, excluding: excluding, step)
                held.append(decision.lease)
            case 40..<58:
                switch table.arrive(UInt64(step), Self.chain(&random), at: at(now)) {
                case .picked(let decision):
                    try check(decision, excluding: [], step)
                    held.append(decision.lease)
                case .hold(let until):
                    #expect(until == at(now + UInt64(maxWaitMs)))
                    waiting.insert(UInt64(step))
                case .refused: Issue.record("step \(step): nobody is ever full")
                case nil: #expect(!table.canPick)
                }
            case 58..<60:
                guard let id = waiting.sorted().randomElement(using: &random) else { continue }
                table.withdrawWaiting(id)
                waiting.remove(id)
            case 60..<78:
                guard let lease = held.randomElement(using: &random) else { continue }
                table.firstResponse(lease, at: at(now))
            default:
                guard !held.isEmpty else { continue }
                let lease = held.remove(at: Int.random(in: held.indices, using: &random))
                let outcome: LeaseOutcome = random.chance(0.3) ? .failedBeforeResponse : .served
                let said = StreamObservation(promptTokens: 3, outputTokens: 5, promptMs: random.chance(0.5) ? 10 : 0)
                table.release(lease, outcome, said, at: at(now))
            }
            while let dispatch = table.nextDispatch(at: at(now)) {
                try #require(waiting.remove(dispatch.id) != nil, "step \(step): it did not wait")
                guard let decision = dispatch.decision else {
                    #expect(!table.canPick)
                    continue
                }
                try check(decision, excluding: [], step)
                held.append(decision.lease)
            }
            try #require(table.waitingCount == waiting.count, "step \(step)")
            try #require((table.wakeAt == nil) == waiting.isEmpty, "step \(step)")
            try #require(table.totalInFlight == held.count, "step \(step)")
            try #require(table.checkInvariants() == [], "step \(step)")
        }
        for lease in held { table.release(lease, .served, at: at(now)) }
        #expect(table.totalInFlight == 0 && table.departedInFlight == 0)
    }

    @Test(arguments: PolicyName.allCases)
    func `equal seeds and equal events give equal choices`(policy: PolicyName) throws {
        func choices() throws -> [ReplicaID] {
            var random = SplitMix64(seed: 5)
            var (table, _) = ReplicaTable.of(6, settings: .letters(policy))
            return try (0..<200).map { step in
                let decision = try found(table.pickAndLease(Self.chain(&random), at: at(UInt64(step))))
                if step % 3 > 0 { table.release(decision.lease, .served, at: at(UInt64(step))) }
                return decision.replica
            }
        }
        #expect(try choices() == choices())
    }

    private static func chain(_ random: inout some RandomNumberGenerator) -> PrefixChain {
        PrefixChain(
            letters: String(
                (0..<Int.random(in: 0...6, using: &random)).map { _ in "abc".randomElement(using: &random)! }))
    }
}
