import Routing
import Testing

/// Replicas that join and leave while prompts wait.
struct RosterTests {
    private static func settings() -> RoutingSettings {
        var settings = RoutingSettings.letters(.expectedTTFT)
        settings.admission.maxInFlight = .streams(1)
        settings.admission.maxWaiting = 1_000
        settings.admission.maxWaitMs = 1_000_000
        settings.expectedTTFT.startsInLine = true
        settings.expectedTTFT.maxWaitMs = 50
        return settings
    }

    /// More prompts than one plan looks at anew.
    @Test func `one that joins while hundreds wait takes the next ones, whatever its slot was before`() throws {
        var (table, replicas) = ReplicaTable.of(2, settings: Self.settings())
        var leases: [Lease] = []
        for id: UInt64 in 1...402 {
            switch table.arrive(id, PrefixChain(letters: "ab"), at: at(id)) {
            case .picked(let decision)?: leases.append(decision.lease)
            default: ()
            }
            while let dispatch = table.nextDispatch(at: at(id)) {
                if let lease = dispatch.decision?.lease { leases.append(lease) }
            }
        }
        #expect(leases.count == 2 && table.waitingCount == 400)
        let newcomer = table.add(name: "new", weight: 1)
        table.setAvailability(newcomer, .available)
        var place = 0
        for round: UInt64 in 0..<3 {
            let dispatch = try found(table.nextDispatch(at: at(1_000 + round)))
            let lease = try found(dispatch.decision?.lease)
            if round == 0 { place = lease.slot }
            #expect(table.nextDispatch(at: at(1_000 + round))?.id == nil && table.checkInvariants() == [])
            #expect(table.holds(lease) && lease.slot == place)
            // It leaves with its stream, and another one takes its slot.
            table.remove(lease.replica)
            #expect(!table.holds(lease) && table.departedInFlight == 1)
            table.release(lease, .served, at: at(1_000 + round))
            let next = table.add(name: "next", weight: 1)
            #expect(table.place(of: next) == place && table.place(of: lease.replica) == nil)
            table.setAvailability(next, .available)
        }
        for replica in replicas { table.remove(replica) }
        for lease in leases { table.release(lease, .served, at: at(2_000)) }
        #expect(table.totalInFlight == 0 && table.checkInvariants() == [])
    }

    @Test func `a weight may change, and says whether it did`() {
        var (table, replicas) = ReplicaTable.of(2)
        #expect(table.setWeight(replicas[1], 5) && !table.setWeight(replicas[1], 5))
        #expect(table.snapshot().map(\.weight) == [1, 5])
        #expect(table.pickAndLease(noHint, at: at(0))?.replica == replicas[1])
        table.remove(replicas[1])
        #expect(!table.setWeight(replicas[1], 7) && table.snapshot().map(\.weight) == [1])
    }

    @Test func `what one that is gone was asked for is asked of somebody else`() {
        var sticky = StickyTable(capacity: 8)
        let (gone, stays) = (ReplicaID(number: 1), ReplicaID(number: 2))
        for key: UInt64 in 0..<6 { sticky.remember(key, key % 2 == 0 ? gone : stays) }
        sticky.forget(replica: gone)
        #expect((0..<6).map { sticky.replica(of: $0) != nil } == [false, true, false, true, false, true])
    }
}
