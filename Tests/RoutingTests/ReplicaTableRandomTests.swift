import Routing
import Testing

struct ReplicaTableRandomTests {
    private typealias Held = (lease: Lease, ticket: PrefixModel.Ticket?)

    @Test(arguments: [PolicyName.roundRobin, .leastInFlight, .prefixCache], [(0, 1_000), (400, 25)])
    func `random operations give what the plain model gives`(policy: PolicyName, bounds: (Int, Int)) throws {
        var random = SeededRandom(#function)
        var settings = RoutingSettings.letters(policy)
        (settings.prefixTtlMs, settings.maxIndexBlocks) = bounds
        var table = ReplicaTable(settings: settings)
        var model = TableModel(settings: settings)
        var known: [ReplicaID] = []
        var held: [Held] = []
        var now: UInt64 = 0
        for step in 0..<2_000 {
            now += UInt64.random(in: 1...10, using: &random)
            let replica = known.randomElement(using: &random)
            switch (Int.random(in: 0..<100, using: &random), replica) {
            case (0..<3, _) where table.count < 7, (_, nil):
                let weight = Int.random(in: 1...3, using: &random)
                let added = table.add(name: "replica", weight: weight)
                #expect(!known.contains(added))
                known.append(added)
                model.replicas.append(TableModel.Replica(id: added, weight: weight))
            case (3..<5, let replica?):
                table.remove(replica)
                model.remove(replica)
            case (5..<15, let replica?):
                let availability =
                    random.chance(0.7) ? .available : Availability.allCases.randomElement(using: &random)!
                table.setAvailability(replica, availability)
                model.update(replica) { $0.availability = availability }
            case (15..<17, let replica?):
                table.forgetCache(of: replica)
                model.prefixes.forget(Int(replica.number))
            case (17..<20, let replica?):
                held.append((table.lease(replica), nil))
                model.lease(replica)
            case (20..<24, _):
                #expect(table.sweep(at: at(now), limit: 5) == model.prefixes.sweep(at: now, limit: 5))
            case (24..<62, _):
                let chain = Self.randomChain(&random)
                let excluding = known.filter { _ in random.chance(0.1) }
                let decision = table.pickAndLease(chain, excluding: excluding, at: at(now))
                let expected = model.pick(chain.values, excluding: excluding, at: now)
                let pick = decision.map {
                    TableModel.Pick(
                        replica: $0.replica, reason: $0.reason, matched: $0.matchedBlocks, diverted: $0.diverted)
                }
                try #require(pick == expected?.0, "step \(step)")
                if let decision { held.append((decision.lease, expected?.1)) }
            default:
                guard !held.isEmpty else { continue }
                let returned = held.remove(at: Int.random(in: held.indices, using: &random))
                let outcome: LeaseOutcome = random.chance(0.3) ? .failedBeforeResponse : .served
                table.release(returned.lease, outcome, at: at(now))
                model.release(returned.lease.replica, returned.ticket, outcome, at: now)
            }
            try Self.compare(table, model, held.count, step)
        }
        for (lease, _) in held { table.release(lease, .served, at: at(now)) }
        #expect(table.totalInFlight == 0 && table.departedInFlight == 0)
        #expect(Set(table.snapshot().map(\.inFlight)).isSubset(of: [0]))
    }

    private static func randomChain(_ random: inout SeededRandom) -> PrefixChain {
        PrefixChain(
            letters: String(
                (0..<Int.random(in: 0...6, using: &random)).map { _ in "abc".randomElement(using: &random)! }))
    }

    private static func compare(_ table: ReplicaTable, _ model: TableModel, _ held: Int, _ step: Int) throws {
        try #require(table.checkInvariants() == [], "step \(step)")
        try #require(table.totalInFlight == held && table.departedInFlight == model.departed, "step \(step)")
        try #require(table.indexedBlocks == model.prefixes.order.count, "step \(step)")
        let rows = model.replicas.map { replica in
            ReplicaRow(
                replica: replica.id, name: "replica", availability: replica.availability, inFlight: replica.inFlight,
                picks: UInt64(replica.picks), weight: replica.weight,
                cachedBlocks: model.prefixes.blocks(heldBy: Int(replica.id.number)))
        }
        try #require(table.snapshot() == rows, "step \(step)")
    }
}
