import Routing
import Testing

struct PickerTests {
    private static func candidate(
        _ number: UInt32, inFlight: Int = 0, lastPick: UInt64 = 0, weight: Int = 1, matched: Int = 0, cached: Int = 0
    ) -> Candidate {
        Candidate(
            replica: ReplicaID(number: number), inFlight: inFlight, lastPick: lastPick, weight: weight,
            matchedBlocks: matched, cachedBlocks: cached)
    }

    private static let prefixCache = PrefixCachePicker(
        minPrefixMatch: 0.3, loadGuard: LoadGuard(absolute: 2, relative: 1.5))

    @Test func `nobody is nobody`() {
        let none: [Candidate] = []
        #expect(RoundRobinPicker().pick(among: none.span, promptBlocks: 3) == nil)
        #expect(LeastInFlightPicker().pick(among: none.span, promptBlocks: 3) == nil)
        #expect(Self.prefixCache.pick(among: none.span, promptBlocks: 3) == nil)
    }

    @Test func `a single candidate is the only one, however busy`() {
        let one = [Self.candidate(4, inFlight: 99, matched: 1)]
        let expected = Choice.at(0, .onlyCandidate)
        #expect(RoundRobinPicker().pick(among: one.span, promptBlocks: 3) == expected)
        #expect(LeastInFlightPicker().pick(among: one.span, promptBlocks: 3) == expected)
        #expect(Self.prefixCache.pick(among: one.span, promptBlocks: 3) == expected)
    }

    @Test func `round robin takes the one picked longest ago, however busy`() {
        let candidates = [
            Self.candidate(0, lastPick: 7), Self.candidate(1, inFlight: 9, lastPick: 5), Self.candidate(2, lastPick: 6),
        ]
        #expect(RoundRobinPicker().pick(among: candidates.span, promptBlocks: 0) == .at(1, .roundRobin))
    }

    @Test(arguments: [
        ([candidate(0, inFlight: 1), candidate(1, lastPick: 9), candidate(2, inFlight: 1, weight: 9)], 1),
        ([candidate(0, lastPick: 3), candidate(1, lastPick: 2), candidate(2, lastPick: 4, weight: 9)], 1),
        ([candidate(0), candidate(1, weight: 2), candidate(2, weight: 2)], 1),
        ([candidate(0), candidate(1), candidate(2)], 0),
    ])
    func `least in flight, then the longest unpicked, then the heaviest, then the first`(
        candidates: [Candidate], position: Int
    ) {
        #expect(LeastInFlightPicker().pick(among: candidates.span, promptBlocks: 0) == .at(position, .leastInFlight))
    }

    @Test func `without a hint the prefix cache policy is least in flight`() {
        let candidates = [Self.candidate(0, inFlight: 1), Self.candidate(1)]
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 0) == .at(1, .leastInFlight))
    }

    @Test func `the deepest admissible match is hot`() {
        let candidates = [Self.candidate(0, matched: 4), Self.candidate(1, matched: 6), Self.candidate(2)]
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 10) == .at(1, .prefixMatch))
    }

    @Test func `of equally warm ones the least busy is hot`() {
        let candidates = [Self.candidate(0, inFlight: 1, matched: 6), Self.candidate(1, matched: 6), Self.candidate(2)]
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 10) == .at(1, .prefixMatch))
    }

    @Test func `a second owner is used when the first is too busy`() {
        let candidates = [Self.candidate(0, inFlight: 5, matched: 9), Self.candidate(1), Self.candidate(2, matched: 4)]
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 10) == .at(2, .prefixMatch, diverted: true))
    }

    @Test func `a warm replica that is too busy diverts`() {
        let candidates = [Self.candidate(0, inFlight: 2, matched: 9), Self.candidate(1), Self.candidate(2, matched: 1)]
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 10) == .at(1, .diverted, diverted: true))
    }

    @Test func `a busy replica that is not warm diverts nobody`() {
        let candidates = [Self.candidate(0, inFlight: 5, matched: 2), Self.candidate(1)]
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 10) == .at(1, .cold))
    }

    @Test func `a match as large as the smallest that counts is warm`() {
        let candidates = [Self.candidate(0, cached: 1), Self.candidate(1, matched: 3, cached: 9)]
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 10) == .at(1, .prefixMatch))
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 11) == .at(0, .cold))
    }

    @Test func `even with no smallest match a replica without any is not warm`() {
        let picker = PrefixCachePicker(minPrefixMatch: 0, loadGuard: LoadGuard(absolute: 2, relative: 1.5))
        let candidates = [Self.candidate(0, inFlight: 1), Self.candidate(1)]
        #expect(picker.pick(among: candidates.span, promptBlocks: 10) == .at(1, .cold))
    }

    @Test(arguments: [
        ([candidate(0, inFlight: 1), candidate(1, cached: 50)], 1),
        ([candidate(0, cached: 51), candidate(1, lastPick: 4, cached: 50)], 1),
        ([candidate(0, lastPick: 4), candidate(1, lastPick: 3)], 1),
    ])
    func `a miss goes to the least busy, then to the emptiest cache, then to the longest unpicked`(
        candidates: [Candidate], position: Int
    ) {
        #expect(Self.prefixCache.pick(among: candidates.span, promptBlocks: 5) == .at(position, .cold))
    }
}

extension Choice {
    static func at(_ position: Int, _ reason: PickReason, diverted: Bool = false) -> Choice {
        Choice(position: position, reason: reason, diverted: diverted)
    }
}
