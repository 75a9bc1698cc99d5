import Routing
import Testing

/// Full replicas, and the queue before them, under every policy.
struct QueueTests {
    private static func settings(
        _ policy: PolicyName, limit: Int = 1, maxWaiting: Int = 100, maxWaitMs: Int = 10_000
    ) -> RoutingSettings {
        var settings = RoutingSettings.letters(policy)
        settings.expectedTTFT.maxWaitMs = 0
        settings.admission.maxInFlight = .streams(limit)
        settings.admission.maxWaiting = maxWaiting
        settings.admission.maxWaitMs = maxWaitMs
        return settings
    }

    private struct NotSo: Error {}

    private static func picked(_ outcome: PickOutcome?) throws -> PickDecision {
        guard case .picked(let decision)? = outcome else { throw NotSo() }
        return decision
    }

    private static func isHeld(_ outcome: PickOutcome?) -> Bool {
        if case .hold? = outcome { true } else { false }
    }

    private static func refusal(_ outcome: PickOutcome?) -> QueueRefusal? {
        if case .refused(let refusal)? = outcome { refusal } else { nil }
    }

    @Test(arguments: PolicyName.allCases)
    func `a full replica gets nothing, and who waits goes when there is room`(policy: PolicyName) throws {
        var (table, _) = ReplicaTable.of(2, settings: Self.settings(policy))
        let first = try Self.picked(table.arrive(1, PrefixChain(letters: "abc"), at: at(0)))
        // The same prompt: its warm replica is full, so it goes to the other one.
        let second = try Self.picked(table.arrive(2, PrefixChain(letters: "abc"), at: at(1)))
        #expect(first.replica != second.replica && second.diverted == policy.readsPrompts)
        for number: UInt64 in 3...5 {
            #expect(Self.isHeld(table.arrive(number, PrefixChain(letters: "x"), at: at(number))))
            #expect(table.nextDispatch(at: at(number))?.id == nil)
        }
        #expect(table.wakeAt == at(10_003))
        table.release(first.lease, .served, at: at(100))
        let next = try found(table.nextDispatch(at: at(100)))
        #expect(next.id == 3 && next.decision?.replica == first.replica && next.cause == .replicaFree)
        #expect(next.waitedNs == 97_000_000)
        #expect(table.nextDispatch(at: at(100))?.id == nil)
        table.withdrawWaiting(4)
        table.release(second.lease, .served, at: at(101))
        #expect(table.nextDispatch(at: at(101))?.id == 5)
        #expect(table.waitingCount == 0 && table.wakeAt == nil && table.checkInvariants() == [])
    }

    @Test(arguments: PolicyName.allCases)
    func `a full queue refuses and says when to ask again, and nobody waits for ever`(policy: PolicyName) throws {
        let settings = Self.settings(policy, maxWaiting: 2, maxWaitMs: 50)
        var (table, _) = ReplicaTable.of(1, settings: settings)
        _ = try Self.picked(table.arrive(1, noHint, at: at(0)))
        #expect(Self.isHeld(table.arrive(2, noHint, at: at(0))) && Self.isHeld(table.arrive(3, noHint, at: at(10))))
        let refusal = try #require(Self.refusal(table.arrive(4, noHint, at: at(20))))
        #expect(refusal.cause == .full && (50...60_000).contains(refusal.retryAfterMs))
        #expect(table.nextDispatch(at: at(49))?.id == nil)
        #expect(table.wakeAt == at(50))
        let overdue = try found(table.nextDispatch(at: at(50)))
        #expect(overdue.id == 2 && overdue.refusal?.cause == .waitedTooLong && overdue.decision == nil)
        #expect(table.nextDispatch(at: at(50))?.id == nil && table.waitingCount == 1)
    }

    @Test(arguments: PolicyName.allCases)
    func `callers take turns by work, and a caller that comes late is not made to wait for another's backlog`(
        policy: PolicyName
    ) throws {
        var (table, _) = ReplicaTable.of(1, settings: Self.settings(policy))
        var lease = try Self.picked(table.arrive(1_000, noHint, at: at(0))).lease
        let prompt = PrefixChain(letters: "abcdef")
        for number: UInt64 in 0..<40 {
            #expect(Self.isHeld(table.arrive(number, prompt, at: at(1)) { WaitTerms(caller: 7) }))
        }
        for number: UInt64 in 100..<104 {
            #expect(Self.isHeld(table.arrive(number, prompt, at: at(2)) { WaitTerms(caller: 8) }))
        }
        var order: [UInt64] = []
        for step: UInt64 in 0..<44 {
            table.release(lease, .served, at: at(10 + step))
            let next = try found(table.nextDispatch(at: at(10 + step)))
            lease = try found(next.decision).lease
            order.append(next.id)
        }
        // Every second one is the late caller's until it has no more.
        #expect(order[..<9].filter { $0 >= 100 } == [100, 101, 102, 103])
        #expect(order.filter { $0 < 40 } == Array(0..<40))
    }

    @Test(arguments: [PolicyName.expectedTTFT, .roundRobin])
    func `a long prompt is served although short ones of other callers and its own keep coming`(
        policy: PolicyName
    ) throws {
        var (table, _) = ReplicaTable.of(1, settings: Self.settings(policy, maxWaitMs: 10_000_000))
        var lease = try Self.picked(table.arrive(1, noHint, at: at(0))).lease
        var long = PrefixChain(settings: RoutingSettings())
        long.begin(salt: 1)
        for block: UInt64 in 0..<50 { long.append(block: block, bytes: 4_096) }
        long.finish()
        #expect(Self.isHeld(table.arrive(2, long, at: at(0)) { WaitTerms(caller: 1) }))
        var number: UInt64 = 10
        var served = false
        var step: UInt64 = 0
        // Two come for each that goes: without turns and age the long one would never be next.
        while !served, step < 400 {
            step += 1
            for caller: UInt64 in [1, 2] {
                _ = table.arrive(number, PrefixChain(letters: "\(number)"), at: at(step * 1_000)) {
                    WaitTerms(caller: caller)
                }
                number += 1
            }
            table.release(lease, .served, at: at(step * 1_000))
            let next = try found(table.nextDispatch(at: at(step * 1_000)))
            lease = try found(next.decision).lease
            served = next.id == 2
        }
        #expect(served, "after \(step) others")
    }

    @Test func `a stream that failed elsewhere goes before all others, and not back to where it was`() throws {
        var (table, replicas) = ReplicaTable.of(2, settings: Self.settings(.leastInFlight))
        let busy = try [1, 2].map { try Self.picked(table.arrive($0, noHint, at: at(0))) }
        #expect(Self.isHeld(table.arrive(3, noHint, at: at(1))))
        let been = busy[0].replica
        let other = try #require(replicas.first { $0 != been })
        #expect(Self.isHeld(table.arrive(4, noHint, excluding: [been], at: at(2)) { WaitTerms(isRetry: true) }))
        table.release(busy[0].lease, .served, at: at(3))
        #expect(table.nextDispatch(at: at(3))?.id == 3)
        #expect(table.nextDispatch(at: at(3))?.id == nil)
        #expect(Self.isHeld(table.arrive(5, noHint, at: at(4))))
        table.release(busy[1].lease, .served, at: at(5))
        let next = try found(table.nextDispatch(at: at(5)))
        #expect(next.id == 4 && next.decision?.replica == other && next.cause == .retry)
        // Nowhere else to go: it hears so, the other one goes on waiting.
        #expect(Self.isHeld(table.arrive(6, noHint, excluding: [been], at: at(6)) { WaitTerms(isRetry: true) }))
        table.setAvailability(other, .unreachable)
        let lost = try found(table.nextDispatch(at: at(7)))
        #expect(lost.id == 6 && lost.cause == .noReplica && lost.decision == nil)
        #expect(table.nextDispatch(at: at(7))?.id == nil && table.waitingCount == 1)
    }

    @Test func `a stream that holds too much passes every limit`() throws {
        var (table, _) = ReplicaTable.of(1, settings: Self.settings(.roundRobin))
        _ = try Self.picked(table.arrive(1, noHint, at: at(0)))
        #expect(Self.isHeld(table.arrive(2, noHint, at: at(0))))
        _ = try Self.picked(table.arrive(3, noHint, at: at(0)) { WaitTerms(mayWait: false) })
        #expect(table.totalInFlight == 2)
    }

    @Test func `a deadline that the queue cannot meet is refused at once, and only when that is known`() throws {
        var (table, _) = ReplicaTable.of(1, settings: Self.settings(.leastInFlight))
        var lease = try Self.picked(table.arrive(0, noHint, at: at(0))).lease
        func arrive(_ number: UInt64, _ table: inout ReplicaTable, at now: UInt64, deadline: UInt64) -> PickOutcome? {
            table.arrive(number, noHint, at: at(now)) { WaitTerms(deadline: at(deadline)) }
        }
        // Nothing is known of how fast the queue moves.
        for number: UInt64 in 1...20 {
            #expect(Self.isHeld(arrive(number, &table, at: 0, deadline: 10)))
        }
        for step: UInt64 in 1...10 {
            table.release(lease, .served, at: at(step * 1_000))
            lease = try found(table.nextDispatch(at: at(step * 1_000))?.decision).lease
        }
        // Ten wait, one leaves each second.
        let refusal = try #require(Self.refusal(arrive(50, &table, at: 10_000, deadline: 15_000)))
        #expect(refusal.cause == .deadline && (4_000...6_000).contains(refusal.retryAfterMs))
        #expect(Self.isHeld(arrive(51, &table, at: 10_000, deadline: 40_000)))
    }

    @Test func `slots limit a replica once they are known`() throws {
        var settings = RoutingSettings.letters(.leastInFlight)
        settings.admission.maxInFlight = .slots
        var (table, replicas) = ReplicaTable.of(1, settings: settings)
        for number: UInt64 in 1...5 { _ = try Self.picked(table.arrive(number, noHint, at: at(0))) }
        #expect(table.limit(of: replicas[0]) == 0)
        table.setSlots(replicas[0], 6)
        #expect(table.limit(of: replicas[0]) == 6)
        _ = try Self.picked(table.arrive(6, noHint, at: at(0)))
        #expect(Self.isHeld(table.arrive(7, noHint, at: at(0))))
        table.setSlots(replicas[0], 7)
        #expect(table.nextDispatch(at: at(1))?.id == 7)
    }

    @Test func `all who wait hear that no replica is left`() throws {
        for policy in PolicyName.allCases {
            var (table, replicas) = ReplicaTable.of(1, settings: Self.settings(policy))
            _ = try Self.picked(table.arrive(1, noHint, at: at(0)))
            #expect(Self.isHeld(table.arrive(2, noHint, at: at(0))))
            #expect(Self.isHeld(table.arrive(3, PrefixChain(letters: "a"), at: at(0))))
            table.setAvailability(replicas[0], .unreachable)
            let told = [table.nextDispatch(at: at(1)), table.nextDispatch(at: at(1))]
            #expect(Set(told.compactMap { $0?.id }) == [2, 3] && told.allSatisfy { $0?.cause == .noReplica })
            #expect(table.waitingCount == 0)
        }
    }
}
