import Testing

@testable import Upstream

@Suite struct OutlierDetectorTests {
    private static let second: UInt64 = 1_000_000_000

    private static func detector(
        _ replicas: Int = 4, _ change: (inout OutlierSettings) -> Void = { _ in }
    ) -> OutlierDetector {
        var settings = OutlierSettings()
        change(&settings)
        return OutlierDetector(settings: settings, replicas: replicas)
    }

    private func nobody(_ count: Int = 4) -> [Bool] { Array(repeating: false, count: count) }

    @Test func `failures in a row eject, an answer between them does not count against anyone`() {
        var detector = Self.detector()
        for _ in 0..<4 { #expect(detector.record(0, .failure, at: 1) == nil) }
        #expect(detector.record(0, .answered, at: 1) == nil)
        for _ in 0..<4 { #expect(detector.record(0, .failure, at: 1) == nil) }
        #expect(detector.standing(0) == .healthy)
        #expect(detector.record(0, .failure, at: 1) == .consecutiveFailures)
        #expect(detector.standing(0) == .ejected && detector.standing(1) == .healthy)
    }

    @Test func `an ejection ends with one trial, and each one that fails is followed by a longer one`() {
        var detector = Self.detector()
        for _ in 0..<5 { _ = detector.record(0, .failure, at: 0) }
        var now: UInt64 = 0
        for count in 1...4 {
            let length = UInt64(count) * 5 * Self.second
            #expect(detector.look(isOut: self.nobody(), at: now + length - 1).isEmpty)
            #expect(detector.standing(0) == .ejected, "ejection \(count)")
            now += length
            _ = detector.look(isOut: self.nobody(), at: now)
            #expect(detector.standing(0) == .trial)
            #expect(detector.record(0, .failure, at: now) == .trialFailed)
        }
        _ = detector.look(isOut: self.nobody(), at: now + 25 * Self.second)
        #expect(detector.record(0, .answered, at: now + 25 * Self.second) == nil)
        #expect(detector.standing(0) == .healthy)
    }

    @Test func `the length of an ejection is bounded and its jitter is at most a fifth`() {
        var detector = Self.detector { ($0.baseEjectionMs, $0.maxEjectionMs) = (5_000, 7_000) }
        for _ in 0..<5 { _ = detector.record(0, .failure, random: 1, at: 0) }
        _ = detector.look(isOut: self.nobody(), at: 6 * Self.second - 1)
        #expect(detector.standing(0) == .ejected)
        _ = detector.look(isOut: self.nobody(), at: 6 * Self.second)
        #expect(detector.standing(0) == .trial)
        _ = detector.record(0, .failure, random: 0, at: 6 * Self.second)
        _ = detector.look(isOut: self.nobody(), at: 13 * Self.second)
        #expect(detector.standing(0) == .trial, "bounded by 7 s")
    }

    @Test func `never more than the share, others that are out included`() {
        var detector = Self.detector(4)
        for position in 0..<4 { for _ in 0..<20 { _ = detector.record(position, .failure, at: 1) } }
        #expect((0..<4).count { detector.standing($0) == .ejected } == 2)
        var other = Self.detector(4)
        for _ in 0..<20 { _ = other.record(0, .failure, othersOut: 2, at: 1) }
        #expect(other.standing(0) == .healthy)
        var alone = Self.detector(1)
        for _ in 0..<20 { _ = alone.record(0, .failure, at: 1) }
        #expect(alone.standing(0) == .healthy)
    }

    @Test func `when too many are out ejections are not heeded, and are again afterwards`() {
        var detector = Self.detector(4)
        for _ in 0..<5 { _ = detector.record(0, .failure, at: 1) }
        _ = detector.look(isOut: [false, true, true, false], at: 2)
        #expect(detector.panics && detector.standing(0) == .healthy)
        _ = detector.look(isOut: self.nobody(), at: 3)
        #expect(!detector.panics && detector.standing(0) == .ejected)
    }

    @Test func `a share of errors ejects the one that has them, not everybody with a bad request`() {
        var detector = Self.detector()
        for stream in 0..<40 {
            for position in 0..<4 {
                _ = detector.record(position, position == 2 && stream % 3 > 0 ? .error : .answered, at: 1)
            }
        }
        let found = detector.look(isOut: self.nobody(), at: 2)
        #expect(found.map(\.position) == [2] && found.map(\.cause) == [.errorShare])
        var everybody = Self.detector()
        for _ in 0..<40 { for position in 0..<4 { _ = everybody.record(position, .error, at: 1) } }
        #expect(everybody.look(isOut: self.nobody(), at: 2).isEmpty)
    }

    @Test func `few streams tell nothing, and old ones are forgotten`() {
        var detector = Self.detector()
        for stream in 0..<40 {
            for position in 0..<4 where position != 2 || stream < 19 {
                _ = detector.record(position, position == 2 ? .error : .answered, at: 1)
            }
        }
        #expect(detector.look(isOut: self.nobody(), at: 2).isEmpty)
        _ = detector.record(2, .error, at: 61 * Self.second)
        #expect(detector.look(isOut: self.nobody(), at: 61 * Self.second).isEmpty)
    }

    @Test func `answers that come far later than the siblings' eject, a factor alone does not`() {
        var detector = Self.detector()
        for _ in 0..<30 {
            for position in 0..<4 {
                _ = detector.record(
                    position, .answered, firstResponseNs: position == 3 ? 5 * Self.second : Self.second / 10, at: 1)
            }
        }
        let found = detector.look(isOut: self.nobody(), at: 2)
        #expect(found.map(\.position) == [3] && found.map(\.cause) == [.latency])
        var small = Self.detector()
        for _ in 0..<30 {
            for position in 0..<4 {
                let slow: UInt64 = position == 3 ? 50_000_000 : 1_000_000
                _ = small.record(position, .answered, firstResponseNs: slow, at: 1)
            }
        }
        #expect(small.look(isOut: self.nobody(), at: 2).isEmpty)
    }

    @Test func `what was sent before an ejection does not end it`() {
        var detector = Self.detector()
        for _ in 0..<5 { _ = detector.record(0, .failure, at: 1) }
        #expect(detector.record(0, .answered, at: 2) == nil && detector.standing(0) == .ejected)
    }
}
