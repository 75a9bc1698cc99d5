public import Routing
public import Telemetry

/// What a cluster counts about its queue.
public final class QueueMetrics: Sendable {
    private let waits: Histogram
    private let dispatches: [DispatchCause: Counter]
    private let refusals: [QueueRefusal.Cause: Counter]

    public init(cluster: String, registry: MetricRegistry) {
        self.waits = registry.histogram(
            "homing_queue_wait_seconds",
            help: "How long streams waited in the proxy for a replica, of those that waited.",
            bounds: Histogram.firstResponseBounds, labels: ["cluster": cluster])
        self.dispatches = Dictionary(
            uniqueKeysWithValues: [DispatchCause.replicaFree, .maxWait, .retry].map { cause in
                (
                    cause,
                    registry.counter(
                        "homing_queue_dispatches_total",
                        help: "Streams that waited and were then sent to a replica, by why they went.",
                        labels: ["cluster": cluster, "cause": cause.rawValue])
                )
            })
        self.refusals = Dictionary(
            uniqueKeysWithValues: QueueRefusal.Cause.allCases.map { cause in
                (
                    cause,
                    registry.counter(
                        "homing_queue_refusals_total",
                        help: "Streams answered with RESOURCE_EXHAUSTED since no replica could take them, by cause.",
                        labels: ["cluster": cluster, "cause": cause.rawValue])
                )
            })
    }

    /// A stream left the queue for a replica, or because there is none.
    func left(_ cause: DispatchCause, afterNs waitedNs: UInt64) {
        self.waits.record(Int(clamping: waitedNs))
        self.dispatches[cause]?.add()
    }

    func refused(_ cause: QueueRefusal.Cause) { self.refusals[cause]?.add() }
}
