import Testing

@testable import Upstream

@Suite struct SilenceWatchTests {
    private let settings = StallSettings()

    /// Looks every 50 ms from `from` up to `to`, and tells what was said when.
    private func verdicts(
        _ watch: inout SilenceWatch, from: UInt64, to: UInt64, isWaiting: Bool = true,
        _ settings: StallSettings = StallSettings()
    ) -> [(ms: UInt64, verdict: SilenceWatch.Verdict)] {
        stride(from: from, through: to, by: 50).compactMap { ms in
            let verdict = watch.look(isWaiting: isWaiting, settings, at: ms * 1_000_000)
            return verdict == .fine ? nil : (ms, verdict)
        }
    }

    @Test func `silence is asked about once, and taken for a stall without an answer`() {
        var watch = SilenceWatch()
        let said = self.verdicts(&watch, from: 1_000, to: 3_000)
        #expect(said.map(\.ms) == [1_250, 1_500] && said.map(\.verdict) == [.ping, .stalled])
        #expect(watch.isStalled)
    }

    @Test func `a long prefill that answers its PING is left alone, and not asked too often`() {
        var watch = SilenceWatch()
        var pings: [UInt64] = []
        for ms in stride(from: UInt64(1_000), through: 400_000, by: 50) {
            switch watch.look(isWaiting: true, self.settings, at: ms * 1_000_000) {
            case .ping:
                pings.append(ms)
                watch.heard(isPingSized: true)
            case .fine: ()
            case .stalled, .resumed, .givenUp: Issue.record("not a stall at \(ms)")
            }
        }
        // Three strikes are what a gRPC server allows without having sent anything itself.
        #expect(pings.prefix(3) == [1_250, 3_250, 13_250] && pings.count == 4, "\(pings)")
        #expect(watch.quietSinceNs == 1_000 * 1_000_000, "an answered PING is no progress")
    }

    @Test func `any byte is a sign of life, and what streams say begins a new silence`() {
        var watch = SilenceWatch()
        for ms in stride(from: UInt64(1_000), through: 9_000, by: 200) {
            watch.heard(isPingSized: false)
            #expect(watch.look(isWaiting: true, self.settings, at: ms * 1_000_000) == .fine)
        }
        #expect(self.verdicts(&watch, from: 9_050, to: 9_600).map(\.verdict) == [.ping, .stalled])
    }

    @Test func `a stall ends with the first byte, and not by itself`() {
        var watch = SilenceWatch()
        _ = self.verdicts(&watch, from: 1_000, to: 2_000)
        #expect(self.verdicts(&watch, from: 2_050, to: 9_000, isWaiting: false).isEmpty && watch.isStalled)
        watch.heard(isPingSized: true)
        #expect(watch.look(isWaiting: false, self.settings, at: 9_050 * 1_000_000) == .resumed)
        #expect(!watch.isStalled)
    }

    @Test func `a stall that lasts is given up`() {
        var watch = SilenceWatch()
        let said = self.verdicts(&watch, from: 1_000, to: 31_500)
        #expect(said.map(\.verdict).prefix(3) == [.ping, .stalled, .givenUp] && said[2].ms == 31_000)
        var endless = StallSettings()
        endless.giveUpAfterMs = 0
        var other = SilenceWatch()
        #expect(self.verdicts(&other, from: 1_000, to: 90_000, endless).map(\.verdict) == [.ping, .stalled])
    }

    @Test func `nobody waits, nothing is asked; and zero never asks`() {
        var watch = SilenceWatch()
        #expect(self.verdicts(&watch, from: 1_000, to: 9_000, isWaiting: false).isEmpty)
        var off = StallSettings()
        off.stallAfterMs = 0
        #expect(self.verdicts(&watch, from: 9_050, to: 90_000, off).isEmpty)
    }

    @Test func `a silence begins with the first stream that waits`() {
        var watch = SilenceWatch()
        _ = self.verdicts(&watch, from: 1_000, to: 60_000, isWaiting: false)
        #expect(self.verdicts(&watch, from: 60_050, to: 60_300).map(\.ms) == [60_300])
    }
}
