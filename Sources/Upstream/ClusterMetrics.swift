public import Routing
public import Telemetry

/// What one cluster counts. Handles are made once, so that counting is one atomic addition.
public final class ClusterMetrics: Sendable {
    /// By the position of the reason among all reasons.
    private let picks: [Counter]
    private let retries: [RetryCause: Counter]
    public let diverts: Counter
    public let noReplica: Counter
    let retriesRefused: Counter
    /// Differences that the audit found between the streams that are counted and those that are there.
    let inFlightDrift: Counter
    private let timeToFirstResponse: Histogram
    public let queue: QueueMetrics
    private let registry: MetricRegistry
    private let cluster: String

    public init(cluster: String, registry: MetricRegistry) {
        self.cluster = cluster
        self.registry = registry
        self.queue = QueueMetrics(cluster: cluster, registry: registry)
        for family in ReplicaCount.allCases {
            registry.declare(family.rawValue, help: family.help, kind: .counter, labels: family.labels)
        }
        self.picks = PickReason.allCases.map { reason in
            registry.counter(
                "homing_picks_total", help: "Replicas picked for streams, by the reason of the choice.",
                labels: ["cluster": cluster, "reason": reason.name])
        }
        self.diverts = registry.counter(
            "homing_diverts_total", help: "Streams that left a warm replica because it was too busy.",
            labels: ["cluster": cluster])
        self.noReplica = registry.counter(
            "homing_no_replica_total", help: "Streams that found no replica at all.", labels: ["cluster": cluster])
        self.retriesRefused = registry.counter(
            "homing_retries_refused_total", help: "Retries that the retry budget did not allow.",
            labels: ["cluster": cluster])
        self.inFlightDrift = registry.counter(
            "homing_in_flight_drift_total",
            help: "Streams by which the count in flight differed from the streams that were there. Must stay zero.",
            labels: ["cluster": cluster])
        self.retries = Dictionary(
            uniqueKeysWithValues: RetryCause.allCases.map { cause in
                (
                    cause,
                    registry.counter(
                        "homing_retries_total", help: "Streams sent to another replica, by what went wrong before.",
                        labels: ["cluster": cluster, "cause": cause.rawValue])
                )
            })
        self.timeToFirstResponse = registry.histogram(
            "homing_time_to_first_response_seconds",
            help: "From a stream's request to the first response byte of its replica.",
            bounds: Histogram.firstResponseBounds, labels: ["cluster": cluster])
    }

    func connections(of replica: String) -> Gauge {
        self.registry.gauge(
            "homing_upstream_connections", help: "Connections to replicas that are open or opening.",
            labels: ["cluster": self.cluster, "replica": replica])
    }

    /// The replica is gone: nothing is shown about it any more.
    func forget(_ replica: String) {
        self.registry.removeSeries(labels: ["cluster": self.cluster, "replica": replica])
    }

    public func picked(_ reason: PickReason, diverted: Bool) {
        self.picks[reason.position].add()
        if diverted { self.diverts.add() }
    }

    func responded(after nanoseconds: Int) { self.timeToFirstResponse.record(nanoseconds) }

    public func retried(_ cause: RetryCause) { self.retries[cause]?.add() }

    public func evicted(_ replica: String, _ cause: String) { self.count(.evictions, replica, cause) }

    public func probed(_ replica: String, _ outcome: String) { self.count(.probes, replica, outcome) }

    public func probeDenied(_ replica: String) { self.count(.probesDenied, replica) }

    func ejected(_ replica: String, _ cause: OutlierDetector.Cause) { self.count(.ejections, replica, cause.rawValue) }

    func stalled(_ replica: String, _ kind: String) { self.count(.stalls, replica, kind) }

    public func loaded(_ replica: String, _ outcome: String) { self.count(.modelLoads, replica, outcome) }

    private func count(_ family: ReplicaCount, _ replica: String, _ detail: String? = nil) {
        var labels = ["cluster": self.cluster, "replica": replica]
        if let detail, let name = family.detail { labels[name] = detail }
        self.registry.counter(family.rawValue, help: family.help, labels: labels).add()
    }
}

/// What happens to a replica now and then: its series begin when it does.
private enum ReplicaCount: String, CaseIterable {
    case evictions = "homing_evictions_total"
    case probes = "homing_probes_total"
    case probesDenied = "homing_probes_denied_total"
    case ejections = "homing_ejections_total"
    case stalls = "homing_stalls_total"
    case modelLoads = "homing_model_loads_total"

    var help: String {
        switch self {
        case .evictions: "Upstream connections taken out, by replica and cause."
        case .probes: "Health probes by replica and outcome."
        case .probesDenied: "Health probes that a replica answered with UNAUTHENTICATED."
        case .ejections: "Replicas taken out for what their streams told, by cause."
        case .stalls: "Silences with streams waiting: no answer to a PING (silent), or to PINGs alone (forgotten)."
        case .modelLoads: "LoadModel calls sent to replicas, by outcome."
        }
    }

    /// Name of the label beside those of the replica.
    var detail: String? {
        switch self {
        case .evictions, .ejections: "cause"
        case .probes, .modelLoads: "outcome"
        case .probesDenied: nil
        case .stalls: "kind"
        }
    }

    var labels: [String] { ["cluster", "replica"] + (self.detail.map { [$0] } ?? []) }
}

/// Why a stream was sent to another replica.
public enum RetryCause: String, Sendable, CaseIterable {
    case connectFailed = "connect_failed"
    case connectionLost = "connection_lost"
    case refused = "stream_refused"
    case notLoaded = "model_not_loaded"
    case otherModel = "model_mismatch"
    /// The replica had said GOAWAY and gave its calls up.
    case leaving = "replica_leaving"
    case stalled = "replica_stalled"
    /// The replica does not know the job, and nobody remembers which one has it.
    case unknownJob = "unknown_job"
}
