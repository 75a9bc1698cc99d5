import Routing
import Testing

@Suite struct AdmissionTests {
    /// Picks of each replica between two moments, one each millisecond, every stream served at once.
    private func picks(
        _ table: inout ReplicaTable, from: UInt64, to: UInt64, _ chain: PrefixChain? = nil
    ) -> [ReplicaID: Int] {
        var picks: [ReplicaID: Int] = [:]
        for ms in from..<to {
            if let decision = table.serve(chain ?? noHint, at: at(ms)) { picks[decision.replica, default: 0] += 1 }
        }
        return picks
    }

    @Test(arguments: PolicyName.allCases)
    func `a replica that is back gets a growing share, and all of it after the slow start`(policy: PolicyName) {
        var (table, replicas) = ReplicaTable.of(4, settings: .letters(policy))
        _ = self.picks(&table, from: 0, to: 400)
        table.beginRamp(replicas[0], at: at(1_000))
        let first = self.picks(&table, from: 1_000, to: 1_500)[replicas[0]] ?? 0
        let second = self.picks(&table, from: 1_500, to: 2_000)[replicas[0]] ?? 0
        let fourth = self.picks(&table, from: 2_500, to: 3_000)[replicas[0]] ?? 0
        let after = self.picks(&table, from: 3_000, to: 4_000)[replicas[0]] ?? 0
        // Of 500 streams the fair share of one in four is 125.
        #expect((10...50).contains(first) && first < second && second < fourth, "\(first) \(second) \(fourth)")
        #expect(after >= 225, "at least 90 % of 250, was \(after)")
    }

    @Test func `the share holds for a prompt that the replica is warm for`() {
        var (table, replicas) = ReplicaTable.of(2, settings: .letters(.prefixCache))
        let chain = PrefixChain(letters: "a warm prompt")
        table.setAvailability(replicas[1], .unreachable)
        _ = table.serve(chain, at: at(0))
        table.setAvailability(replicas[1], .available)
        table.beginRamp(replicas[0], at: at(0))
        let picks = self.picks(&table, from: 0, to: 200, chain)
        #expect((picks[replicas[0]] ?? 0) < 30)
    }

    @Test func `one that is all there is gets everything`() {
        var (table, replicas) = ReplicaTable.of(2)
        table.setAvailability(replicas[1], .unreachable)
        table.beginRamp(replicas[0], at: at(0))
        #expect(self.picks(&table, from: 0, to: 50)[replicas[0]] == 50)
    }

    @Test func `a fleet that is back as a whole serves everybody`() {
        var (table, replicas) = ReplicaTable.of(3)
        for replica in replicas { table.beginRamp(replica, at: at(0)) }
        #expect(self.picks(&table, from: 0, to: 300).values.reduce(0, +) == 300)
    }

    @Test func `zero gives everything at once`() {
        var settings = RoutingSettings.letters(.leastInFlight)
        settings.slowStartMs = 0
        var (table, replicas) = ReplicaTable.of(2, settings: settings)
        table.beginRamp(replicas[0], at: at(0))
        #expect(self.picks(&table, from: 0, to: 100)[replicas[0]] == 50)
    }

    @Test(arguments: PolicyName.allCases)
    func `one on trial gets one stream at a time`(policy: PolicyName) {
        var (table, replicas) = ReplicaTable.of(3, settings: .letters(policy))
        table.setAvailability(replicas[0], .trial)
        var leases: [Lease] = []
        for ms in 0..<60 {
            if let decision = table.pickAndLease(noHint, at: at(UInt64(ms))) { leases.append(decision.lease) }
            #expect(table.inFlight(of: replicas[0]) <= 1)
        }
        #expect(leases.count == 60 && table.inFlight(of: replicas[0]) == 1)
        for lease in leases { table.release(lease, .served, at: at(100)) }
        table.setAvailability(replicas[0], .available)
        for ms in 200..<230 { _ = table.pickAndLease(noHint, at: at(UInt64(ms))) }
        #expect(table.inFlight(of: replicas[0]) > 1 && table.checkInvariants().isEmpty)
    }

    @Test func `one that left is forgotten`() {
        var (table, replicas) = ReplicaTable.of(2)
        table.setAvailability(replicas[0], .trial)
        table.remove(replicas[0])
        let next = table.add(name: "next", weight: 1)
        table.setAvailability(next, .available)
        let streams = (0..<10).compactMap { table.pickAndLease(noHint, at: at(UInt64($0)))?.replica }
        #expect(streams.count { $0 == next } == 5)
    }
}
