import Testing

@testable import Routing

struct ConsistentHashTests {
    /// Names of the replicas that a table picks for so many different prompts, each of which ends at once.
    private static func picks(_ names: [String], leaving: [String] = [], prompts: Int = 200) throws -> [String] {
        var table = ReplicaTable(settings: .letters(.consistentHash))
        var ids: [String: ReplicaID] = [:]
        for name in names {
            ids[name] = table.add(name: name, weight: 1)
            if let id = ids[name] { table.setAvailability(id, .available) }
        }
        for name in leaving { if let id = ids[name] { table.remove(id) } }
        let named = Dictionary(uniqueKeysWithValues: ids.map { ($0.value, $0.key) })
        return try (0..<prompts).map { number in
            let decision = try found(table.serve(PrefixChain(letters: "prompt \(number)"), at: at(UInt64(number))))
            return try found(named[decision.replica])
        }
    }

    @Test func `two proxies agree, whatever order they came to know the replicas in and whoever has left`() throws {
        let one = try Self.picks(["a:1", "b:1", "c:1", "d:1"])
        #expect(try Self.picks(["d:1", "b:1", "a:1", "c:1"]) == one)
        #expect(try Self.picks(["x:1", "a:1", "y:1", "c:1", "d:1", "b:1"], leaving: ["x:1", "y:1"]) == one)
        #expect(Set(one).count == 4, "all of them are somebody's first")
    }

    @Test func `a replica that leaves moves only its own prompts`() throws {
        let before = try Self.picks(["a:1", "b:1", "c:1", "d:1"])
        let after = try Self.picks(["a:1", "b:1", "c:1", "d:1"], leaving: ["c:1"])
        for (old, new) in zip(before, after) where old != "c:1" { #expect(new == old) }
    }
}
