import Proxy
import Routing
import Testing

@Suite struct DecisionLogTests {
    private static func record(
        slot: Int = 0, owner: UInt64 = 1, prompt: Int = 0, matched: Int = 0
    ) -> PickRecord {
        var record = PickRecord()
        record.slot = slot
        record.owner = owner
        record.promptBytes = prompt
        record.matchedBytes = matched
        return record
    }

    @Test func `the newest picks come first, and no more than are kept`() {
        let log = DecisionLog(capacity: 4)
        #expect(log.recent(10).isEmpty)
        for slot in 1...6 { #expect(log.picked(Self.record(slot: slot)) == UInt64(slot)) }
        #expect(log.recent(10).map(\.slot) == [6, 5, 4, 3])
        #expect(log.recent(2).map(\.serial) == [6, 5])
        #expect(log.recent(0).isEmpty && log.recent(-1).isEmpty)
    }

    @Test func `an answer is noted at its own pick, and only while that is kept`() {
        let log = DecisionLog(capacity: 2)
        let first = log.picked(Self.record())
        let second = log.picked(Self.record())
        log.answered(first, slot: 0, owner: 1, after: 7, countsAsFirstToken: false)
        #expect(log.recent(2).map(\.observedNs) == [0, 7])
        let third = log.picked(Self.record())
        // Its place is the third one's now.
        log.answered(first, slot: 0, owner: 1, after: 9, countsAsFirstToken: false)
        #expect(log.recent(2).map(\.serial) == [third, second] && log.recent(2).map(\.observedNs) == [0, 0])
        // An answer without a measurable wait is an answer all the same.
        log.answered(third, slot: 0, owner: 1, after: 0, countsAsFirstToken: false)
        #expect(log.recent(1).map(\.observedNs) == [1])
    }

    @Test func `traffic is summed by replica, prompts apart from other streams`() {
        let log = DecisionLog(capacity: 2)
        _ = log.picked(Self.record(slot: 2, prompt: 100, matched: 40))
        let cold = log.picked(Self.record(slot: 2, prompt: 50))
        _ = log.picked(Self.record(slot: 0))
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
        let old = log.picked(Self.record(slot: 1, owner: 7, prompt: 100, matched: 40))
        let new = log.picked(Self.record(slot: 1, owner: 8, prompt: 30))
        #expect(log.traffic[1].owner == 8 && log.traffic[1].picks == 1 && log.traffic[1].promptBytes == 30)
        log.answered(old, slot: 1, owner: 7, after: 5_000, countsAsFirstToken: true)
        #expect(log.traffic[1].firstResponses == 0)
        log.answered(new, slot: 1, owner: 8, after: 6_000, countsAsFirstToken: true)
        #expect(log.traffic[1].firstResponseNs == 6_000)
    }
}
