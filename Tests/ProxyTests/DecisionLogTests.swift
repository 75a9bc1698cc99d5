import Testing

@testable import Proxy
@testable import Routing

@Suite struct DecisionLogTests {
    @discardableResult
    private static func pick(
        _ log: DecisionLog, slot: Int = 0, owner: UInt64 = 1, prompt: Int = 0, matched: Int = 0
    ) -> UInt64 {
        let lease = Lease(replica: ReplicaID(number: 0), serial: 1, slot: 0, ticket: .nothing, record: -1)
        let decision = PickDecision(
            lease: lease, reason: .cold, matchedBlocks: 0, promptBlocks: 0, matchedBytes: matched, promptBytes: prompt,
            diverted: false, expectedSeconds: 0)
        return log.picked(decision, PickedCall(slot: slot, owner: owner))
    }

    @Test func `the newest picks come first, and no more than are kept`() {
        let log = DecisionLog(capacity: 4)
        #expect(log.recent(10).isEmpty)
        for slot in 1...6 { #expect(Self.pick(log, slot: slot) == UInt64(slot)) }
        #expect(log.recent(10).map(\.slot) == [6, 5, 4, 3])
        #expect(log.recent(2).map(\.serial) == [6, 5])
        #expect(log.recent(0).isEmpty && log.recent(-1).isEmpty)
    }

    @Test func `an answer is noted at its own pick, and only while that is kept`() {
        let log = DecisionLog(capacity: 2)
        let first = Self.pick(log)
        let second = Self.pick(log)
        log.answered(first, slot: 0, owner: 1, after: 7, countsAsFirstToken: false)
        #expect(log.recent(2).map(\.observedNs) == [0, 7])
        let third = Self.pick(log)
        // Its place is the third one's now.
        log.answered(first, slot: 0, owner: 1, after: 9, countsAsFirstToken: false)
        #expect(log.recent(2).map(\.serial) == [third, second] && log.recent(2).map(\.observedNs) == [0, 0])
        // An answer without a measurable wait is an answer all the same.
        log.answered(third, slot: 0, owner: 1, after: 0, countsAsFirstToken: false)
        #expect(log.recent(1).map(\.observedNs) == [1])
    }

    @Test func `traffic is summed by replica, prompts apart from other streams`() {
        let log = DecisionLog(capacity: 2)
        Self.pick(log, slot: 2, prompt: 100, matched: 40)
        let cold = Self.pick(log, slot: 2, prompt: 50)
        Self.pick(log, slot: 0)
        log.answered(cold, slot: 2, owner: 1, after: 5_000, countsAsFirstToken: true)
        log.answered(cold, slot: 2, owner: 1, after: 5_000, countsAsFirstToken: false)
        #expect(log.traffic.map(\.picks) == [1, 0, 2] && log.traffic.map(\.prompts) == [0, 0, 2])
        let warm = log.traffic[2]
        #expect((warm.hits, warm.promptBytes, warm.matchedBytes) == (1, 150, 40))
        #expect((warm.firstResponses, warm.firstResponseNs) == (1, 5_000))
        let both = warm + log.traffic[0]
        #expect(both.picks == 3 && both.promptBytes == 150 && both.firstResponses == 1)
    }

    @Test func `a slot that is used again starts from nothing, and hears nothing of its last owner`() {
        let log = DecisionLog()
        let old = Self.pick(log, slot: 1, owner: 7, prompt: 100, matched: 40)
        let new = Self.pick(log, slot: 1, owner: 8, prompt: 30)
        #expect(log.traffic[1].owner == 8 && log.traffic[1].picks == 1 && log.traffic[1].promptBytes == 30)
        log.answered(old, slot: 1, owner: 7, after: 5_000, countsAsFirstToken: true)
        #expect(log.traffic[1].firstResponses == 0)
        log.answered(new, slot: 1, owner: 8, after: 6_000, countsAsFirstToken: true)
        #expect(log.traffic[1].firstResponseNs == 6_000)
    }
}
