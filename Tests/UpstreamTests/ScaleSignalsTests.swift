import Testing
import Upstream

struct ScaleSignalsTests {
    private static func sample(
        at seconds: UInt64, diverts: Int = 0, sent: Double? = nil, waitingSeconds: Double = 0, inFlight: Int = 0,
        waiting: Int = 0, limit: Double = 0, usable: Int = 2
    ) -> ScaleSignals.Sample {
        ScaleSignals.Sample(
            atNs: seconds * 1_000_000_000, diverts: diverts,
            offered: sent.map { ScaleSignals.Sample.Offered(sentSeconds: $0, waitingSeconds: waitingSeconds) },
            inFlight: inFlight, waiting: waiting, limit: limit, usableReplicas: usable)
    }

    @Test func `diverts are those of the last minute`() {
        var signals = ScaleSignals()
        for step: UInt64 in 0..<40 { signals.add(Self.sample(at: step * 5, diverts: Int(step))) }
        // The thirteen samples from 135 s on, and this one.
        #expect(signals.reading(Self.sample(at: 197, diverts: 45)).divertsPerMinute == 45 - 27)
    }

    @Test func `prompt work becomes replicas at seven tenths`() throws {
        var signals = ScaleSignals()
        for step: UInt64 in 0...12 { signals.add(Self.sample(at: step * 5, sent: Double(step * 5) * 3.5)) }
        let reading = signals.reading(Self.sample(at: 60, sent: 210, usable: 2))
        #expect(reading.replicasWanted == 5)
        #expect(abs(try #require(reading.saturation) - 1.75) < 0.01)
        // What waits has to be done as well.
        let queued = signals.reading(Self.sample(at: 60, sent: 210, waitingSeconds: 126, usable: 2))
        #expect(queued.replicasWanted == 8)
    }

    @Test func `streams become replicas where replicas have limits`() {
        var signals = ScaleSignals()
        for step: UInt64 in 0...12 {
            signals.add(Self.sample(at: step * 5, inFlight: 8, waiting: 6, limit: 4, usable: 2))
        }
        let reading = signals.reading(Self.sample(at: 61, inFlight: 8, waiting: 6, limit: 4, usable: 2))
        #expect(reading.saturation == 1.75 && reading.replicasWanted == 5)
    }

    @Test func `nothing is said where nobody knows what a replica can do, and one replica is the least`() {
        #expect(ScaleSignals().reading(Self.sample(at: 5, inFlight: 100)).replicasWanted == nil)
        #expect(ScaleSignals().reading(Self.sample(at: 5, sent: 0, usable: 0)).replicasWanted == 1)
    }
}
