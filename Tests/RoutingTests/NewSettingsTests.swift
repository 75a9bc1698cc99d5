import Routing
import Testing

/// Tables whose settings change while streams are out and prompts wait.
struct NewSettingsTests {
    @Test func `another policy chooses from the next stream on, and leases of the old one come back`() throws {
        var (table, replicas) = ReplicaTable.of(2, settings: .letters(.roundRobin))
        let first = try found(table.pickAndLease(PrefixChain(letters: "abc"), at: at(0)))
        var settings = RoutingSettings.letters(.prefixCache)
        table.apply(settings)
        let second = try found(table.pickAndLease(PrefixChain(letters: "abc"), at: at(1)))
        #expect(second.reason == .cold && second.matchedBlocks == 0, "another policy remembers anew")
        #expect(table.serve(PrefixChain(letters: "abcd"), at: at(2))?.reason == .prefixMatch)
        settings.minPrefixMatch = 1
        table.apply(settings)
        #expect(table.serve(PrefixChain(letters: "abcde"), at: at(3))?.reason != .prefixMatch)
        #expect(table.serve(PrefixChain(letters: "abcde"), at: at(4))?.matchedBlocks == 5, "what is known is kept")
        settings.blockBytes = 2
        table.apply(settings)
        #expect(table.indexedBlocks == 0, "prompts are compared in another way")
        table.release(first.lease, .failedBeforeResponse, at: at(5))
        table.release(second.lease, .failedBeforeResponse, at: at(5))
        #expect(table.totalInFlight == 0 && table.checkInvariants() == [] && replicas.count == 2)
    }

    @Test func `limits that are lifted or lowered count for those that wait`() throws {
        var settings = RoutingSettings.letters(.leastInFlight)
        settings.admission.maxInFlight = .streams(1)
        var (table, _) = ReplicaTable.of(1, settings: settings)
        var leases: [Lease] = []
        for id: UInt64 in 1...4 {
            if case .picked(let decision)? = table.arrive(id, noHint, at: at(id)) { leases.append(decision.lease) }
        }
        #expect(leases.count == 1 && table.waitingCount == 3)
        settings.admission.maxInFlight = .streams(3)
        table.apply(settings)
        while let dispatch = table.nextDispatch(at: at(10)) { leases.append(try found(dispatch.decision).lease) }
        #expect(leases.count == 3 && table.waitingCount == 1)
        settings.admission.maxInFlight = .off
        table.apply(settings)
        while let dispatch = table.nextDispatch(at: at(11)) { leases.append(try found(dispatch.decision).lease) }
        #expect(leases.count == 4 && table.waitingCount == 0)
        for lease in leases { table.release(lease, .served, at: at(12)) }
        #expect(table.totalInFlight == 0)
    }

    @Test func `settings that change at random moments lose no stream and break nothing`() throws {
        var random = SeededRandom(#function)
        var table = ReplicaTable(settings: .letters(.expectedTTFT))
        var replicas = (0..<3).map { table.add(name: "r\($0)", weight: 1) }
        for replica in replicas { table.setAvailability(replica, .available) }
        var leases: [Lease] = []
        var waiting: Set<UInt64> = []
        for step in 0..<4_000 {
            let now = at(UInt64(step) * 7)
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<4:
                var settings = RoutingSettings.letters(PolicyName.allCases.randomElement(using: &random)!)
                settings.blockBytes = Int.random(in: 1...2, using: &random)
                settings.maxIndexBlocks = Int.random(in: 5...400, using: &random)
                settings.prefixTtlMs = Int.random(in: 0...500, using: &random)
                settings.admission.maxInFlight = random.chance(0.5) ? .off : .streams(2)
                settings.expectedTTFT.maxWaitMs = random.chance(0.5) ? 40 : 0
                settings.expectedTTFT.startsInLine = true
                table.apply(settings)
            case 4..<7 where replicas.count < 6:
                let replica = table.add(name: "r", weight: 1)
                table.setAvailability(replica, .available)
                replicas.append(replica)
            case 7..<9 where replicas.count > 1:
                table.remove(replicas.remove(at: Int.random(in: replicas.indices, using: &random)))
            case 9..<55:
                let text = String(
                    (0..<Int.random(in: 0...8, using: &random)).map { _ in "abc".randomElement(using: &random)! })
                switch table.arrive(UInt64(step), PrefixChain(letters: text), at: now) {
                case .picked(let decision)?: leases.append(decision.lease)
                case .hold?: waiting.insert(UInt64(step))
                case .refused?, nil: ()
                }
            case 55..<68: if let lease = leases.randomElement(using: &random) { table.firstResponse(lease, at: now) }
            default:
                guard !leases.isEmpty else { continue }
                let lease = leases.remove(at: Int.random(in: leases.indices, using: &random))
                table.release(lease, random.chance(0.3) ? .failedBeforeResponse : .served, at: now)
            }
            while let dispatch = table.nextDispatch(at: now) {
                try #require(waiting.remove(dispatch.id) != nil, "step \(step): it did not wait")
                if let decision = dispatch.decision { leases.append(decision.lease) }
            }
            try #require(table.waitingCount == waiting.count && table.totalInFlight == leases.count, "step \(step)")
            try #require(table.checkInvariants() == [], "step \(step)")
        }
        for lease in leases { table.release(lease, .served, at: at(1_000_000)) }
        #expect(table.totalInFlight == 0)
    }
}
