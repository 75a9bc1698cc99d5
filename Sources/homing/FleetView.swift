import Admin
import Routing
import Synchronization
import Telemetry
import Transport
import Upstream
import Wire

/// The fleet as operators see it: snapshots for the admin port, and metrics that are read when they are asked for.
final class FleetView: AdminSource {
    let all: [Cluster]
    let sight: Sight
    let sources: DiscoveryService
    private let state = Mutex(Readiness.starting)
    /// Reads the settings again; who can is made after this.
    private let reloading = Mutex<(@Sendable () async -> ReloadReport)?>(nil)

    init(clusters: [Cluster], sight: Sight, discovery: DiscoveryService) {
        self.all = clusters
        self.sight = sight
        self.sources = discovery
    }

    func onReload(_ reload: @escaping @Sendable () async -> ReloadReport) { self.reloading.withLock { $0 = reload } }

    func reload() async -> ReloadReport {
        guard let reload = self.reloading.withLock({ $0 }) else {
            return ReloadReport(result: .unchanged, generation: self.settings.generation)
        }
        return await reload()
    }

    var readiness: Readiness {
        get { self.state.withLock { $0 } }
        set { self.state.withLock { $0 = newValue } }
    }

    func clusters() -> [ClusterSnapshot] {
        self.all.map { cluster in
            let rows = cluster.rows()
            return ClusterSnapshot(
                name: cluster.name, models: cluster.settings.models, policy: cluster.settings.routing.policy.rawValue,
                replicas: rows.count, usableReplicas: rows.count { $0.availability == .available },
                inFlight: rows.reduce(0) { $0 + $1.inFlight }, picks: rows.reduce(0) { $0 + $1.picks },
                indexBlocks: cluster.indexedBlocks,
                modelRemembered: rows.contains { $0.model != .unasked }, queue: QueueView.snapshot(of: cluster))
        }
    }

    func replicas() -> [ReplicaSnapshot] {
        self.all.flatMap { cluster in cluster.rows().map { Self.snapshot($0, in: cluster) } }
    }

    private static func snapshot(_ row: Cluster.Row, in cluster: Cluster) -> ReplicaSnapshot {
        let now = Loop.now
        return ReplicaSnapshot(
            cluster: cluster.name, id: row.replica.name, address: row.replica.endpoint.description,
            state: row.availability.name, usable: row.availability.standing != .out, why: row.why,
            sinceMs: Int((now - row.sinceNs) / 1_000_000), inFlight: row.inFlight, picks: row.picks,
            weight: row.weight, modelLoaded: row.model.isLoaded,
            lastProbe: row.probe.map {
                ReplicaSnapshot.Probe(
                    outcome: $0.outcome.name, ageMs: Int((now - $0.atNs) / 1_000_000),
                    latencyMs: $0.outcome == .alive ? Double($0.latencyNs) / 1_000_000 : nil)
            },
            evictions: row.evictions, cachedBlocks: row.cachedBlocks,
            maxInFlight: row.limit > 0 ? row.limit : nil, estimates: row.estimates.map { QueueView.snapshot(of: $0) },
            origins: row.origins.map(\.description),
            drain: row.drain.map { drain in
                ReplicaSnapshot.Drain(
                    sinceMs: Int((now - min(now, drain.sinceNs)) / 1_000_000),
                    leavesInMs: drain.leavesByNs.map { $0 > now ? Int(($0 - now) / 1_000_000) : 0 })
            })
    }

    /// - Parameter accounts: one for each loop.
    func observe(in registry: MetricRegistry, accounts: [BufferAccount]) {
        let clusters = self.all
        self.sight.observe(in: registry)
        QueueView.observe(clusters, in: registry)
        DiscoveryView.observe(self.sources, in: registry)
        registry.observed(
            "homing_buffered_bytes", help: "Body bytes that streams hold, on both legs.", kind: .gauge
        ) { emit in
            emit(accounts.reduce(0) { $0 + $1.bytes })
        }
        registry.observed(
            "homing_replica_in_flight", help: "Streams in flight at each replica.", kind: .gauge
        ) { emit in
            for cluster in clusters {
                for row in cluster.rows() {
                    emit(row.inFlight, ["cluster": cluster.name, "replica": row.replica.name])
                }
            }
        }
        registry.observed(
            "homing_replica_state", help: "1 for the state that each replica is in, 0 for the others.", kind: .gauge
        ) { emit in
            for cluster in clusters {
                for row in cluster.rows() {
                    for state in Availability.allCases {
                        emit(
                            row.availability == state ? 1 : 0,
                            ["cluster": cluster.name, "replica": row.replica.name, "state": state.name])
                    }
                }
            }
        }
        registry.observed(
            "homing_panic", help: "1 while so many replicas are out that ejections are not heeded.", kind: .gauge
        ) { emit in
            for cluster in clusters { emit(cluster.panics ? 1 : 0, ["cluster": cluster.name]) }
        }
        registry.observed(
            "homing_replica_slots",
            help: "Requests that each replica works on side by side, by its LoadModel; 0 while nobody said.",
            kind: .gauge
        ) { emit in
            for cluster in clusters {
                for replica in cluster.replicas {
                    emit(replica.slots, ["cluster": cluster.name, "replica": replica.name])
                }
            }
        }
        registry.observed(
            "homing_index_blocks", help: "Prompt blocks that each cluster's prefix index remembers.", kind: .gauge
        ) { emit in
            for cluster in clusters { emit(cluster.indexedBlocks, ["cluster": cluster.name]) }
        }
    }
}

extension ReplicaModel {
    /// Nil while nobody has asked for a model.
    fileprivate var isLoaded: Bool? {
        switch self {
        case .unasked, .unchecked, .restarted: nil
        case .loading, .missing, .another: false
        case .loaded: true
        }
    }
}
