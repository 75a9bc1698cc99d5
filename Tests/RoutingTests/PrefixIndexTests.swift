import Routing
import Testing

struct PrefixIndexTests {
    private static func depths(_ index: PrefixIndex, _ letters: String, at now: Instant, slots: Int = 6) -> [Int] {
        var depths = ContiguousArray(repeating: 7, count: slots)
        index.match(PrefixChain(letters: letters), at: now, into: &depths)
        return Array(depths)
    }

    @Test func `each replica matches as deep as it served`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 0)
        _ = index.note(PrefixChain(letters: "abcd"), slot: 0, at: at(1))
        _ = index.note(PrefixChain(letters: "abX"), slot: 1, at: at(2))
        #expect(Self.depths(index, "abcdef", at: at(3), slots: 3) == [4, 2, 0])
        #expect(Self.depths(index, "abX", at: at(3), slots: 3) == [2, 3, 0])
        #expect(Self.depths(index, "zabcd", at: at(3), slots: 3) == [0, 0, 0])
        #expect(index.count == 5 && index.blocks(heldBy: 0) == 4 && index.blocks(heldBy: 1) == 3)
        #expect(index.checkInvariants() == [])
    }

    @Test func `asking changes nothing`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 10)
        _ = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(0))
        #expect(Self.depths(index, "ab", at: at(9)) == [2, 0, 0, 0, 0, 0])
        #expect(Self.depths(index, "ab", at: at(11)) == [0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: [(299_999, 2), (300_000, 2), (300_001, 0)])
    func `a mark as old as the time to live counts, an older one does not`(age: UInt64, depth: Int) {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 300_000)
        // Near the point where the stamp of 32 bits wraps.
        let start = UInt64(UInt32.max) - 1_000
        _ = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(start))
        #expect(Self.depths(index, "ab", at: at(start + age), slots: 1) == [depth])
        #expect(index.sweep(at: at(start + age), limit: 10) == 2 - depth)
        #expect(index.blocks(heldBy: 0) == depth && index.count == depth)
    }

    @Test(arguments: [0, Int.max])
    func `a time to live of zero, and one beyond measure, is for ever`(timeToLiveMs: Int) {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: timeToLiveMs)
        _ = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(0))
        let inAYear = at(365 * 86_400_000)
        #expect(Self.depths(index, "ab", at: inAYear, slots: 1) == [2])
        #expect(index.sweep(at: inAYear, limit: 10) == 0)
    }

    @Test func `a clock that was read before another one's note makes nothing old`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 10)
        _ = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(500))
        #expect(Self.depths(index, "ab", at: at(495), slots: 1) == [2])
        #expect(index.sweep(at: at(495), limit: 10) == 0)
    }

    @Test func `a block passes on when the blocks before it lost their mark`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 0)
        _ = index.note(PrefixChain(letters: "sx"), slot: 0, at: at(0))
        for slot in 1...4 { _ = index.note(PrefixChain(letters: "s\(slot)"), slot: slot, at: at(UInt64(slot))) }
        // Block "s" remembers four replicas, and slot 0 served it longest ago; "sx" still proves that it has it.
        #expect(Self.depths(index, "sy", at: at(9)) == [0, 1, 1, 1, 1, 0])
        #expect(Self.depths(index, "sx", at: at(9)) == [2, 1, 1, 1, 1, 0])
        #expect(index.blocks(heldBy: 0) == 1)
        #expect(index.checkInvariants() == [])
    }

    @Test func `past the capacity the least recently noted blocks go, the deepest first`() {
        var index = PrefixIndex(capacity: 5, timeToLiveMs: 0)
        _ = index.note(PrefixChain(letters: "abc"), slot: 0, at: at(0))
        _ = index.note(PrefixChain(letters: "xy"), slot: 1, at: at(1))
        _ = index.note(PrefixChain(letters: "xyz"), slot: 1, at: at(2))
        #expect(index.count == 5)
        #expect(Self.depths(index, "abc", at: at(3), slots: 2) == [2, 0])
        #expect(Self.depths(index, "xyz", at: at(3), slots: 2) == [0, 3])
        #expect(index.blocks(heldBy: 0) == 2)
    }

    @Test func `a chain longer than the capacity is remembered as far as there is room`() {
        var index = PrefixIndex(capacity: 3, timeToLiveMs: 0)
        _ = index.note(PrefixChain(letters: "old"), slot: 1, at: at(0))
        let ticket = index.note(PrefixChain(letters: "abcdef"), slot: 0, at: at(1))
        #expect(Self.depths(index, "abcdef", at: at(2), slots: 2) == [3, 0])
        #expect(index.count == 3 && index.blocks(heldBy: 1) == 0 && index.checkInvariants() == [])
        index.withdraw(ticket)
        #expect(index.count == 0 && index.checkInvariants() == [])
    }

    @Test func `what is withdrawn was never noted`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 0)
        _ = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(0))
        let ticket = index.note(PrefixChain(letters: "abcd"), slot: 1, at: at(1))
        #expect(Self.depths(index, "abcd", at: at(2), slots: 2) == [2, 4])
        index.withdraw(ticket)
        #expect(Self.depths(index, "abcd", at: at(2), slots: 2) == [2, 0])
        #expect(index.count == 2 && index.blocks(heldBy: 1) == 0)
        index.withdraw(ticket)
        #expect(index.count == 2 && index.checkInvariants() == [])
    }

    @Test func `withdrawing keeps what the replica held before`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 0)
        _ = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(0))
        let longer = index.note(PrefixChain(letters: "abcd"), slot: 0, at: at(1))
        let again = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(2))
        index.withdraw(again)
        #expect(Self.depths(index, "abcd", at: at(3), slots: 1) == [4])
        index.withdraw(longer)
        #expect(Self.depths(index, "abcd", at: at(3), slots: 1) == [2])
    }

    @Test func `withdrawing keeps what another stream has used since, in the same moment too`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 0)
        let failed = index.note(PrefixChain(letters: "abcd"), slot: 0, at: at(5))
        _ = index.note(PrefixChain(letters: "abX"), slot: 0, at: at(5))
        index.withdraw(failed)
        #expect(Self.depths(index, "abcd", at: at(6), slots: 1) == [2])
        #expect(Self.depths(index, "abX", at: at(6), slots: 1) == [3])
        #expect(index.count == 3 && index.checkInvariants() == [])
    }

    @Test func `forgetting a replica leaves the others`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 0)
        let ticket = index.note(PrefixChain(letters: "abc"), slot: 0, at: at(0))
        _ = index.note(PrefixChain(letters: "ab"), slot: 1, at: at(1))
        index.forget(slot: 0)
        #expect(Self.depths(index, "abc", at: at(2), slots: 2) == [0, 2])
        #expect(index.blocks(heldBy: 0) == 0 && index.blocks(heldBy: 1) == 2)
        _ = index.note(PrefixChain(letters: "ab"), slot: 0, at: at(3))
        index.withdraw(ticket)
        #expect(Self.depths(index, "abc", at: at(4), slots: 2) == [2, 2])
        #expect(index.checkInvariants() == [])
    }

    @Test func `a replica forgotten 65,536 times is not believed to hold what it held at first`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 0)
        _ = index.note(PrefixChain(letters: "abc"), slot: 0, at: at(0))
        for _ in 0..<65_534 { index.forget(slot: 0) }
        _ = index.note(PrefixChain(letters: "xy"), slot: 0, at: at(1))
        #expect(index.checkInvariants() == [])
        index.forget(slot: 0)
        #expect(Self.depths(index, "abc", at: at(2), slots: 1) == [0])
        #expect(Self.depths(index, "xy", at: at(2), slots: 1) == [0])
        #expect(index.blocks(heldBy: 0) == 0 && index.checkInvariants() == [])
        #expect(index.sweep(at: at(3), limit: 100) == 5)
    }

    @Test func `a sweep does no more than it may`() {
        var index = PrefixIndex(capacity: 100, timeToLiveMs: 10)
        _ = index.note(PrefixChain(letters: "abcdefghij"), slot: 0, at: at(0))
        _ = index.note(PrefixChain(letters: "xy"), slot: 0, at: at(50))
        #expect(index.sweep(at: at(60), limit: 7) == 7)
        #expect(index.count == 5 && index.checkInvariants() == [])
        #expect(index.sweep(at: at(60), limit: 7) == 3)
        #expect(index.sweep(at: at(60), limit: 7) == 0)
        #expect(index.count == 2 && index.blocks(heldBy: 0) == 2)
    }

    @Test func `many prompts are all found again`() {
        var index = PrefixIndex(capacity: 100_000, timeToLiveMs: 0)
        for number in 0..<3_000 {
            _ = index.note(PrefixChain(letters: "prompt \(number)"), slot: number % 6, at: at(UInt64(number)))
        }
        for number in 0..<3_000 {
            let prompt = "prompt \(number)"
            #expect(Self.depths(index, prompt, at: at(3_000))[number % 6] == prompt.count)
        }
        #expect(index.checkInvariants() == [])
    }

    @Test func `blocks come and go while the table grows`() {
        var index = PrefixIndex(capacity: 500, timeToLiveMs: 0)
        for number in 0..<1_500 {
            let ticket = index.note(
                PrefixChain(model: "\(number)", "x", blockBytes: 1), slot: number % 6, at: at(UInt64(number)))
            if number % 3 == 0 { index.withdraw(ticket) }
            if number % 16 == 0 { #expect(index.checkInvariants() == [], "after \(number)") }
        }
        #expect(index.count == 500 && (0..<6).map { index.blocks(heldBy: $0) } == [0, 125, 125, 0, 125, 125])
    }

    @Test(arguments: [3, 12, 1_000], [0, 250])
    func `random operations give what a plain dictionary gives`(capacity: Int, timeToLiveMs: Int) throws {
        var random = SeededRandom(#function)
        var index = PrefixIndex(capacity: capacity, timeToLiveMs: timeToLiveMs)
        var model = PrefixModel(capacity: capacity, timeToLive: UInt64(timeToLiveMs))
        var tickets: [(NoteTicket, PrefixModel.Ticket)] = []
        var now: UInt64 = UInt64(UInt32.max) - 5_000
        for step in 0..<1_500 {
            now += UInt64.random(in: 1...12, using: &random)
            let letters = String(
                (0..<Int.random(in: 1...7, using: &random)).map { _ in "abc".randomElement(using: &random)! })
            let chain = PrefixChain(letters: letters)
            let slot = Int.random(in: 0..<6, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<12:
                tickets.append(
                    (index.note(chain, slot: slot, at: at(now)), model.note(chain.values, owner: slot, at: now)))
            case 12..<16 where !tickets.isEmpty:
                let (ticket, expected) = tickets.remove(at: Int.random(in: tickets.indices, using: &random))
                index.withdraw(ticket)
                model.withdraw(expected)
            case 16..<19:
                let limit = Int.random(in: 0...4, using: &random)
                #expect(index.sweep(at: at(now), limit: limit) == model.sweep(at: now, limit: limit))
            default:
                index.forget(slot: slot)
                model.forget(slot)
            }
            if tickets.count > 8 { tickets.removeFirst() }
            let expected = (0..<6).map { model.match(chain.values, owner: $0, at: now) }
            try #require(Self.depths(index, letters, at: at(now)) == expected, "step \(step)")
            #expect(index.count == model.order.count, "step \(step)")
            #expect((0..<6).allSatisfy { index.blocks(heldBy: $0) == model.blocks(heldBy: $0) }, "step \(step)")
            #expect(index.checkInvariants() == [], "step \(step)")
        }
    }
}
