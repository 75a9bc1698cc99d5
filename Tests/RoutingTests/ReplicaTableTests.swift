import Routing
import Testing

struct ReplicaTableTests {
    @Test func `an empty table has nobody to pick`() {
        var table = ReplicaTable(settings: RoutingSettings())
        #expect(table.pickAndLease(noHint, at: at(0)) == nil)
        #expect(!table.canPick && table.totalInFlight == 0 && table.snapshot().isEmpty)
    }

    @Test(arguments: Availability.allCases)
    func `who is not sure to answer is picked only when nobody is`(availability: Availability) {
        var (table, replicas) = ReplicaTable.of(2)
        table.setAvailability(replicas[0], availability)
        let first = table.serve(noHint, at: at(0))
        #expect(first?.replica == (availability.standing == .candidate ? replicas[0] : replicas[1]))
        table.setAvailability(replicas[1], .unreachable)
        let expected: ReplicaID? =
            switch availability {
            case .available, .trial, .unknown, .suspect, .stalled, .ejected: replicas[0]
            case .unreachable, .notLoaded, .loading, .draining: nil
            }
        #expect(table.canPick == (expected != nil))
        #expect(table.serve(noHint, at: at(1))?.replica == expected)
        #expect(table.availability(of: replicas[0]) == availability)
    }

    @Test func `names for logs and metrics are all different`() {
        #expect(Set(Availability.allCases.map(\.name)).count == Availability.allCases.count)
        #expect(Set(PickReason.allCases.map(\.name)).count == PickReason.allCases.count)
    }

    // Not of power_of_two, whose shares are equal on average only.
    @Test(arguments: PolicyName.allCases.filter { $0 != .powerOfTwo })
    func `without hints and at equal load everybody gets the same share`(policy: PolicyName) {
        var (table, replicas) = ReplicaTable.of(5, settings: .letters(policy))
        for round in 0..<200 { _ = table.serve(noHint, at: at(UInt64(round))) }
        #expect(table.snapshot().map(\.picks) == [40, 40, 40, 40, 40])
        #expect(replicas.map { table.inFlight(of: $0) } == [0, 0, 0, 0, 0])
    }

    @Test(arguments: PolicyName.allCases)
    func `streams that stay are spread evenly`(policy: PolicyName) {
        var (table, _) = ReplicaTable.of(4, settings: .letters(policy))
        for _ in 0..<12 { _ = table.pickAndLease(noHint, at: at(0)) }
        #expect(table.snapshot().map(\.inFlight) == [3, 3, 3, 3] && table.totalInFlight == 12)
    }

    @Test func `the same prompt one after the other goes to one replica`() {
        var (table, _) = ReplicaTable.of(4)
        let chain = PrefixChain(letters: "the same prompt")
        let first = table.serve(chain, at: at(0))
        #expect(first?.reason == .cold && first?.matchedBlocks == 0 && first?.promptBlocks == 15)
        for round in 1..<20 {
            _ = table.serve(noHint, at: at(UInt64(round)))
            let next = table.serve(chain, at: at(UInt64(round)))
            #expect(next?.replica == first?.replica && next?.reason == .prefixMatch && next?.matchedBlocks == 15)
        }
    }

    @Test func `different prompts one after the other are spread evenly`() {
        var (table, _) = ReplicaTable.of(4)
        for number in 0..<40 {
            _ = table.serve(PrefixChain(letters: "\(number % 10)\(number / 10)"), at: at(UInt64(number)))
        }
        let picks = table.snapshot().map(\.picks)
        #expect((picks.max() ?? 0) <= 15 && (picks.min() ?? 0) >= 5, "\(picks)")
    }

    @Test func `replicas of one cluster are told apart however they are named`() {
        var table = ReplicaTable(settings: .letters())
        let first = table.add(name: "host", weight: 1)
        let second = table.add(name: "host", weight: 1)
        table.setAvailability(first, .available)
        table.setAvailability(second, .available)
        let one = table.serve(PrefixChain(letters: "one"), at: at(0))
        let two = table.serve(PrefixChain(letters: "two"), at: at(1))
        #expect(one?.replica == first && two?.replica == second)
        #expect(table.serve(PrefixChain(letters: "two"), at: at(2))?.replica == second)
        #expect(table.serve(PrefixChain(letters: "one"), at: at(3))?.replica == first)
    }

    @Test func `overlapping streams keep their affinity within the guard and spill beyond it`() throws {
        var (table, _) = ReplicaTable.of(2)
        let chain = PrefixChain(letters: "conversation")
        let first = try found(table.pickAndLease(chain, at: at(0)))
        let second = try found(table.pickAndLease(chain, at: at(1)))
        #expect(second.replica == first.replica && second.reason == .prefixMatch && !second.diverted)
        // One stream above an idle peer is allowed, two are not.
        let third = try found(table.pickAndLease(chain, at: at(2)))
        #expect(third.replica != first.replica && third.reason == .diverted && third.diverted)
        #expect(third.matchedBlocks == 0)
        for lease in [first.lease, second.lease, third.lease] { table.release(lease, .served, at: at(3)) }
        #expect(table.totalInFlight == 0)
        #expect(table.serve(chain, at: at(4))?.matchedBlocks == 12)
    }

    @Test func `a stream that never reached its replica leaves no trace of its prompt`() throws {
        var (table, _) = ReplicaTable.of(2)
        let chain = PrefixChain(letters: "abc")
        let failed = try found(table.pickAndLease(chain, at: at(0)))
        table.release(failed.lease, .failedBeforeResponse, at: at(1))
        #expect(table.totalInFlight == 0 && table.indexedBlocks == 0)
        let retried = try found(table.pickAndLease(chain, excluding: [failed.replica], at: at(1)))
        #expect(retried.replica != failed.replica && retried.matchedBlocks == 0)
        table.release(retried.lease, .served, at: at(2))
        let next = try found(table.serve(chain, at: at(3)))
        #expect(next.replica == retried.replica && next.reason == .prefixMatch)
        #expect(table.snapshot().map(\.cachedBlocks).reduce(0, +) == 3)
    }

    @Test func `who is excluded is not picked, even when nobody else is left`() throws {
        var (table, replicas) = ReplicaTable.of(3)
        let chain = PrefixChain(letters: "abc")
        let warm = try found(table.serve(chain, at: at(0)))
        let other = try found(table.serve(chain, at: at(1)))
        #expect(other.replica == warm.replica)
        let elsewhere = try found(table.pickAndLease(chain, excluding: [warm.replica], at: at(2)))
        #expect(elsewhere.replica != warm.replica && elsewhere.reason == .cold && !elsewhere.diverted)
        let last = try found(table.pickAndLease(chain, excluding: [warm.replica, elsewhere.replica], at: at(2)))
        #expect(last.reason == .onlyCandidate)
        #expect(table.pickAndLease(chain, excluding: replicas, at: at(2)) == nil)
        #expect(table.totalInFlight == 2)
    }

    @Test func `a match is told in bytes too, with the short last block`() throws {
        var (table, _) = ReplicaTable.of(2, settings: RoutingSettings())
        let chain = PrefixChain(String(repeating: "long ", count: 100))
        _ = table.serve(chain, at: at(0))
        let again = try found(table.serve(chain, at: at(1)))
        #expect(again.matchedBlocks == 2 && again.matchedBytes == 500 && again.promptBytes == 500)
        let longer = PrefixChain(String(repeating: "long ", count: 150))
        let next = try found(table.serve(longer, at: at(2)))
        #expect(
            next.matchedBlocks == 1 && next.matchedBytes == 256 && next.promptBlocks == 3 && next.promptBytes == 750)
    }

    @Test func `a restarted process is cold, a lost connection is not`() throws {
        var (table, _) = ReplicaTable.of(2)
        let chain = PrefixChain(letters: "abc")
        let warm = try found(table.serve(chain, at: at(0))).replica
        table.setAvailability(warm, .suspect)
        table.setAvailability(warm, .available)
        #expect(table.serve(chain, at: at(1))?.replica == warm)
        table.forgetCache(of: warm)
        #expect(table.serve(chain, at: at(2))?.reason == .cold)
    }

    @Test func `a replica may leave with streams open, and its successor starts from nothing`() throws {
        var (table, replicas) = ReplicaTable.of(2)
        let chain = PrefixChain(letters: "abc")
        let served = try found(table.pickAndLease(chain, at: at(0)))
        let failed = try found(table.pickAndLease(chain, at: at(1)))
        #expect(served.replica == replicas[0] && failed.replica == replicas[0])
        table.remove(replicas[0])
        #expect(table.count == 1 && table.totalInFlight == 2 && table.departedInFlight == 2)
        let successor = table.add(name: "successor", weight: 1)
        #expect(!replicas.contains(successor))
        table.setAvailability(successor, .available)
        table.release(served.lease, .served, at: at(2))
        table.release(failed.lease, .failedBeforeResponse, at: at(2))
        #expect(table.totalInFlight == 0 && table.inFlight(of: successor) == 0)
        #expect(table.snapshot().map(\.cachedBlocks) == [0, 0])
        #expect(table.snapshot().map(\.replica) == [replicas[1], successor])
        #expect(table.checkInvariants() == [])
    }

    @Test func `whoever speaks of a replica that left is heard out`() {
        var (table, replicas) = ReplicaTable.of(1)
        table.remove(replicas[0])
        table.remove(replicas[0])
        table.forgetCache(of: replicas[0])
        #expect(table.setAvailability(replicas[0], .available) == nil)
        #expect(table.availability(of: replicas[0]) == nil && table.inFlight(of: replicas[0]) == 0)
        let lease = table.lease(replicas[0])
        #expect(table.totalInFlight == 1)
        table.release(lease, .served, at: at(0))
        #expect(table.totalInFlight == 0 && table.checkInvariants() == [])
    }

    @Test func `a stream sent without a choice counts and takes nobody's turn`() {
        var (table, replicas) = ReplicaTable.of(2, settings: .letters(.leastInFlight))
        let load = table.lease(replicas[0])
        #expect(load.replica == replicas[0] && table.inFlight(of: replicas[0]) == 1)
        #expect(table.snapshot().map(\.picks) == [0, 0])
        #expect(table.serve(noHint, at: at(0))?.replica == replicas[1])
        table.release(load, .served, at: at(1))
        #expect(table.serve(noHint, at: at(1))?.replica == replicas[0])
    }

    @Test func `a lease that is given back twice is a mistake of ours`() async {
        await #expect(processExitsWith: .failure) {
            var table = ReplicaTable(settings: RoutingSettings())
            let lease = table.lease(table.add(name: "one", weight: 1))
            table.release(lease, .served, at: Instant(milliseconds: 0))
            table.release(lease, .served, at: Instant(milliseconds: 0))
        }
    }

    @Test func `what nobody holds any more is swept out as leases return, and by a sweep`() throws {
        var settings = RoutingSettings.letters()
        settings.prefixTtlMs = 1_000
        var (table, _) = ReplicaTable.of(1, settings: settings)
        _ = table.serve(PrefixChain(letters: "abcdefghijklmnop"), at: at(0))
        _ = table.serve(noHint, at: at(1_001))
        #expect(table.indexedBlocks == 8)
        #expect(table.sweep(at: at(1_001)) == 8)
        #expect(table.indexedBlocks == 0 && table.snapshot()[0].cachedBlocks == 0)
    }
}
