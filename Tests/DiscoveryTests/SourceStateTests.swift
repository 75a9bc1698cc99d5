import Testing

@testable import Discovery

@Suite struct `What an answer does to a source` {
    private let settings = RefreshSettings(minIntervalMs: 1_000, maxIntervalMs: 30_000, emptyAfter: 3)
    private let two = [DiscoveredReplica(address: "a:1"), DiscoveredReplica(address: "b:1")]

    private func looked(
        _ state: inout SourceState, _ replicas: [DiscoveredReplica], ttlMs: Int? = nil, at now: Int = 0
    ) -> SourceState.Step {
        state.looked(.success(.replicas(replicas, ttlMs: ttlMs)), atUnixMs: now)
    }

    @Test func `the first list is published, and the same one in another order is not published again`() {
        var state = SourceState(settings: self.settings)
        let first = self.looked(&state, self.two.reversed())
        #expect(first.publish == self.two && first.news == .changed(added: 2, removed: 0))
        let second = self.looked(&state, self.two)
        #expect(second.publish == nil && second.news == nil)
        #expect(state.counts == [.ok: 2])
    }

    @Test func `a changed weight is published and counts as no replica that came or went`() {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, [DiscoveredReplica(address: "a:1")])
        let step = self.looked(&state, [DiscoveredReplica(address: "a:1", weight: 5)])
        #expect(step.publish == [DiscoveredReplica(address: "a:1", weight: 5)])
        #expect(step.news == .changed(added: 0, removed: 0))
    }

    @Test func `an address that comes twice is one replica with the heavier weight`() {
        var state = SourceState(settings: self.settings)
        let step = self.looked(
            &state, [1, 7, 3].map { DiscoveredReplica(address: "a:1", weight: $0) })
        #expect(step.publish == [DiscoveredReplica(address: "a:1", weight: 7)])
    }

    @Test(arguments: [(0, 1_000), (999, 1_000), (1_000, 1_000), (12_345, 12_345), (30_001, 30_000), (.max, 30_000)])
    func `the next look comes after the answer's time, within the bounds`(ttlMs: Int, waitMs: Int) {
        var state = SourceState(settings: self.settings)
        #expect(self.looked(&state, self.two, ttlMs: ttlMs).waitMs == waitMs)
        #expect(self.looked(&state, self.two).waitMs == 30_000, "an answer that says nothing holds longest")
    }

    @Test func `a failure keeps the list, is told once, and is retried ever later up to the longest time`() {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, self.two, at: 70)
        var steps: [SourceState.Step] = []
        for _ in 0..<8 { steps.append(state.looked(.failure(DiscoveryFailure("gone")), atUnixMs: 99)) }
        #expect(steps.allSatisfy { $0.publish == nil })
        #expect(steps.map(\.waitMs) == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
        #expect(steps.map(\.news) == [.failed(DiscoveryFailure("gone"))] + Array(repeating: nil, count: 7))
        #expect(state.replicas == self.two && state.failuresInRow == 8 && state.lastSuccessUnixMs == 70)
        let other = state.looked(.failure(DiscoveryFailure("worse")), atUnixMs: 99)
        #expect(other.news == .failed(DiscoveryFailure("worse")))
    }

    @Test func `after failures the same list is news, and the waiting starts again from the shortest`() {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, self.two)
        for _ in 0..<4 { _ = state.looked(.failure(DiscoveryFailure("gone")), atUnixMs: 0) }
        let step = self.looked(&state, self.two, at: 5)
        #expect(step.news == .worksAgain && step.publish == nil)
        #expect(state.failure == nil && state.lastSuccessUnixMs == 5)
        #expect(state.looked(.failure(DiscoveryFailure("gone")), atUnixMs: 0).waitMs == 1_000)
    }

    @Test func `only so many empty answers in a row empty the list`() {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, self.two)
        let first = self.looked(&state, [])
        #expect(first.publish == nil && first.news == .emptyNotHeeded && first.waitMs == 1_000)
        let second = self.looked(&state, [])
        #expect(second.publish == nil && second.news == nil)
        let third = self.looked(&state, [])
        #expect(third.publish == [] && third.news == .changed(added: 0, removed: 2))
        let fourth = self.looked(&state, [])
        #expect(fourth.publish == nil && fourth.news == nil)
        #expect(state.counts == [.ok: 1, .empty: 4])
    }

    @Test(arguments: [true, false])
    func `what comes between empty answers makes them count anew`(isFailure: Bool) {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, self.two)
        for _ in 0..<5 {
            #expect(self.looked(&state, []).publish == nil)
            #expect(self.looked(&state, []).publish == nil)
            if isFailure {
                _ = state.looked(.failure(DiscoveryFailure("gone")), atUnixMs: 0)
            } else {
                _ = self.looked(&state, self.two)
            }
        }
        #expect(state.replicas == self.two)
    }

    @Test func `with zero no number of empty answers empties the list`() {
        var state = SourceState(settings: RefreshSettings(everyMs: 10, emptyAfter: 0))
        _ = self.looked(&state, self.two)
        for _ in 0..<50 { #expect(self.looked(&state, []).publish == nil) }
        #expect(state.replicas == self.two)
    }

    @Test func `a first answer that is empty is published once`() {
        var state = SourceState(settings: self.settings)
        let first = self.looked(&state, [])
        #expect(first.publish == [] && first.news == .isEmpty)
        #expect(self.looked(&state, []) == SourceState.Step(publish: nil, waitMs: 1_000, news: nil))
    }

    @Test func `a part of an answer adds what is new, loses nothing and counts as failed`() {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, self.two, at: 3)
        let missing = DiscoveryFailure("half of it")
        let step = state.looked(.success(.part([DiscoveredReplica(address: "c:1")], missing: missing)), atUnixMs: 9)
        #expect(step.publish?.map(\.address) == ["a:1", "b:1", "c:1"])
        #expect(step.news == .failed(missing) && step.waitMs == 1_000)
        let again = state.looked(.success(.part([DiscoveredReplica(address: "c:1")], missing: missing)), atUnixMs: 9)
        #expect(again.publish == nil && again.news == nil && again.waitMs == 2_000)
        #expect(state.lastSuccessUnixMs == 3 && state.counts == [.ok: 1, .failed: 2])
    }

    @Test func `a list that is too long is refused as a whole`() {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, self.two)
        let many = (0...SourceState.mostReplicas).map { DiscoveredReplica(address: "h\($0):1") }
        let step = self.looked(&state, many)
        #expect(step.publish == nil && state.replicas == self.two && state.failuresInRow == 1)
        let part = state.looked(
            .success(.part(Array(many.dropLast()), missing: DiscoveryFailure("more"))), atUnixMs: 0)
        #expect(part.publish == nil && state.replicas == self.two)
        #expect(self.looked(&state, Array(many.dropLast())).publish?.count == SourceState.mostReplicas)
    }

    @Test func `an unchanged answer is no look that counts, and tells nothing of a failure`() {
        var state = SourceState(settings: self.settings)
        _ = self.looked(&state, self.two, at: 1)
        _ = state.looked(.success(.unchanged), atUnixMs: 8)
        #expect(state.lastSuccessUnixMs == 8 && state.counts == [.ok: 1])
        _ = state.looked(.failure(DiscoveryFailure("broken")), atUnixMs: 9)
        let step = state.looked(.success(.unchanged), atUnixMs: 10)
        #expect(step.publish == nil && step.news == nil)
        #expect(state.failure != nil && state.lastSuccessUnixMs == 8 && state.counts == [.ok: 1, .failed: 1])
    }

    @Test func `a weight is brought within its bounds`() {
        #expect(
            [-1, 0, 1, 1_000, 70_000].map { DiscoveredReplica(address: "a:1", weight: $0).weight } == [
                1, 1, 1, 1_000, 1_000,
            ])
    }

    @Test func `a failure is one short line`() {
        #expect(
            DiscoveryFailure("FATAL:  no such role\n\n  hint: make one \n").description
                == "FATAL:  no such role; hint: make one")
        #expect(DiscoveryFailure("a\u{1B}[31m b\tc").description == "a [31m b c")
        #expect(DiscoveryFailure(String(repeating: "x", count: 10_000)).description.count == 401)
    }
}
