import Routing
import Testing

struct BoundPickTests {
    private static func table(_ names: [String]) -> (ReplicaTable, [ReplicaID]) {
        var table = ReplicaTable(settings: RoutingSettings())
        let ids = names.map { table.add(name: $0, weight: 1) }
        for id in ids { table.setAvailability(id, .available) }
        return (table, ids)
    }

    @Test func `a primary stays when others come, and moves only from one that is out`() throws {
        let names = (0..<8).map { "worker-\($0):50051" }
        var seen: Set<String> = []
        for key in UInt64(0)..<64 {
            var (table, ids) = Self.table(Array(names[..<7]))
            let picked = table.pickPrimary(of: key)
            let first = try #require(picked)
            let position = try #require(ids.firstIndex(of: first.replica))
            seen.insert(names[position])
            #expect(first.reason == .primary && table.inFlight(of: first.replica) == 1)
            ids.append(table.add(name: names[7], weight: 1))
            table.setAvailability(ids[7], .available)
            let second = table.pickPrimary(of: key)?.replica ?? first.replica
            #expect(second == first.replica || second == ids[7], "nobody but the new one may take it over")
            table.setAvailability(first.replica, .suspect)
            let afterBlip = table.pickPrimary(of: key)?.replica
            #expect(afterBlip == second, "a blip does not move it")
            table.setAvailability(second, .unreachable)
            let third = table.pickPrimary(of: key)?.replica
            #expect(third != nil && third != second)
        }
        #expect(seen.count > 3, "keys are spread")
    }

    @Test func `a bound call goes nowhere else`() throws {
        var (table, ids) = Self.table(["a", "b"])
        let bound = table.pickBound(to: ids[1])
        #expect(bound?.reason == .sticky)
        let excluded = table.pickBound(to: ids[1], excluding: [ids[1]])
        table.setAvailability(ids[1], .unreachable)
        let out = table.pickBound(to: ids[1])
        table.remove(ids[0])
        let gone = table.pickBound(to: ids[0])
        #expect(excluded == nil && out == nil && gone == nil && table.totalInFlight == 1)
    }

    @Test func `sticky ids are remembered up to a bound, those asked for last`() {
        var table = StickyTable(capacity: 100)
        var replicas = ReplicaTable(settings: RoutingSettings())
        let id = replicas.add(name: "a", weight: 1)
        for key in UInt64(0)..<10_000 {
            table.remember(key, id)
            let asked = table.replica(of: 7)
            #expect(asked == (key >= 7 ? id : nil), "asked for all the time")
            #expect(table.count <= 100)
        }
        let (last, old) = (table.replica(of: 9_999), table.replica(of: 5_000))
        table.forget(9_999)
        let forgotten = table.replica(of: 9_999)
        #expect(last == id && old == nil && forgotten == nil)
    }
}
