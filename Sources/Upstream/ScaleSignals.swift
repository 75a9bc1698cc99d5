import Routing
import Synchronization
import Telemetry
import Transport

/// Whether a cluster has enough replicas, over the last minute: what autoscalers go by. A value that is fed a sample every
/// few seconds; part of a `Cluster`, under its lock.
public struct ScaleSignals: Sendable {
    /// Where the cluster stands at one moment.
    public struct Sample: Sendable, Equatable {
        public var atNs: UInt64
        /// Counted since the start: streams that left a warm replica.
        public var diverts: Int
        /// Since the start: prompt work sent to replicas, and work that waits, in seconds of one replica. Nil when the
        /// policy predicts none.
        public var offered: Offered?
        public var inFlight: Int
        public var waiting: Int
        /// Streams that a replica may be given, averaged over those with a limit; zero without a limit.
        public var limit: Double
        public var usableReplicas: Int

        public struct Offered: Sendable, Equatable {
            public var sentSeconds: Double
            public var waitingSeconds: Double

            public init(sentSeconds: Double, waitingSeconds: Double) {
                self.sentSeconds = sentSeconds
                self.waitingSeconds = waitingSeconds
            }
        }

        public init(
            atNs: UInt64, diverts: Int, offered: Offered?, inFlight: Int, waiting: Int, limit: Double,
            usableReplicas: Int
        ) {
            self.atNs = atNs
            self.diverts = diverts
            self.offered = offered
            self.inFlight = inFlight
            self.waiting = waiting
            self.limit = limit
            self.usableReplicas = usableReplicas
        }
    }

    /// What the samples say.
    public struct Reading: Sendable, Equatable {
        public var divertsPerMinute: Int
        /// Work ÷ what the usable replicas can do; above 1 it piles up. Nil when nobody knows what a replica can do.
        public var saturation: Double?
        /// Replicas that would serve this at `target` saturation, at least 1. Nil as above.
        public var replicasWanted: Int?
    }

    private var samples: [Sample] = []

    static let windowNs: UInt64 = 60_000_000_000
    /// Saturation at which a cluster has as many replicas as it should: above it waiting grows fast.
    public static let target = 0.7

    public init() {}

    public mutating func add(_ sample: Sample) {
        self.samples.append(sample)
        // One sample from before the window stays, so that the window is whole.
        while self.samples.count > 2, sample.atNs - self.samples[1].atNs >= Self.windowNs { self.samples.removeFirst() }
    }

    /// - Parameter now: a sample of this moment, which is not kept.
    public func reading(_ now: Sample) -> Reading {
        let first = self.samples.first ?? now
        var reading = Reading(divertsPerMinute: now.diverts - first.diverts, saturation: nil, replicasWanted: nil)
        var busy: Double?
        let seconds = Double(now.atNs - first.atNs) * 1e-9
        if let offered = now.offered, let before = first.offered {
            // A window that has just begun would make one prompt look like a storm.
            busy = (offered.sentSeconds - before.sentSeconds + offered.waitingSeconds) / max(seconds, 10)
        }
        if now.limit > 0 {
            let all = self.samples + [now]
            let streams = all.reduce(0) { $0 + $1.inFlight + $1.waiting }
            busy = max(busy ?? 0, Double(streams) / Double(all.count) / now.limit)
        }
        if let busy {
            reading.saturation = busy / Double(max(1, now.usableReplicas))
            reading.replicasWanted = max(1, Int((busy / Self.target).rounded(.up)))
        }
        return reading
    }
}

extension Cluster {
    /// Takes part in the rolling minute. Called every few seconds.
    func sampleSignals() {
        self.state.withLock { $0.signals.add($0.sample(diverts: self.metrics.diverts.value)) }
    }

    /// Whether there are enough replicas, over the last minute.
    public var signals: ScaleSignals.Reading {
        self.state.withLock { $0.signals.reading($0.sample(diverts: self.metrics.diverts.value)) }
    }
}

extension Cluster.State {
    fileprivate func sample(diverts: Int) -> ScaleSignals.Sample {
        let limits = self.present.map { self.table.limit(of: $0.replica.id) }.filter { $0 > 0 }
        return ScaleSignals.Sample(
            atNs: Loop.now, diverts: diverts,
            offered: self.table.offeredSeconds.map {
                ScaleSignals.Sample.Offered(sentSeconds: $0.sent, waitingSeconds: $0.waiting)
            },
            inFlight: self.table.totalInFlight, waiting: self.table.waitingCount,
            limit: limits.isEmpty ? 0 : Double(limits.reduce(0, +)) / Double(limits.count),
            usableReplicas: self.entries.count { $0?.availability.standing == .candidate })
    }
}
