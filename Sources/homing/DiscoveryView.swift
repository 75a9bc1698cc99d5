import Admin
import Discovery
import Telemetry
import Upstream

/// Sources of replicas as operators see them.
enum DiscoveryView {
    static func snapshots(of service: DiscoveryService) -> [DiscoverySnapshot] {
        service.sources.map { running in
            let status = running.source.status
            return DiscoverySnapshot(
                cluster: running.cluster.name, source: running.source.name,
                type: running.settings.kind?.rawValue ?? "", subject: running.source.subject,
                replicas: status.replicas.map { .init(address: $0.address, weight: $0.weight) },
                lastSuccessUnixMs: status.lastSuccessUnixMs, problem: status.problem,
                failuresInRow: status.failuresInRow, emptyInRow: status.emptyInRow,
                refreshes: DiscoverySnapshot.Refreshes(
                    ok: status.counts[.ok] ?? 0, empty: status.counts[.empty] ?? 0,
                    failed: status.counts[.failed] ?? 0))
        }
    }

    static func observe(_ service: DiscoveryService, in registry: MetricRegistry) {
        @Sendable func labels(_ running: DiscoveryService.Running) -> [String: String] {
            ["cluster": running.cluster.name, "source": running.source.name]
        }
        // A cluster may have no source, and readers are told all the same.
        func observe(
            _ name: String, _ help: String, _ kind: MetricKind, besides: [String] = [],
            _ emit: @escaping @Sendable (inout Observation) -> Void
        ) {
            registry.declare(name, help: help, kind: kind, labels: ["cluster", "source"] + besides)
            registry.observed(name, help: help, kind: kind, emit)
        }
        observe("homing_discovery_replicas", "Replicas in the list that each source stands for.", .gauge) { emit in
            for running in service.sources { emit(running.source.status.replicas.count, labels(running)) }
        }
        observe(
            "homing_discovery_refreshes_total", "Looks of each source, by what came of them.", .counter,
            besides: ["result"]
        ) { emit in
            for running in service.sources {
                let counts = running.source.status.counts
                for result in RefreshResult.allCases {
                    emit(counts[result] ?? 0, labels(running).merging(["result": result.rawValue]) { $1 })
                }
            }
        }
        observe(
            "homing_discovery_last_success_timestamp_seconds",
            "When each source was last answered, in seconds since 1970; not there before its first answer.", .gauge
        ) { emit in
            for running in service.sources {
                guard let unixMs = running.source.status.lastSuccessUnixMs else { continue }
                emit(Double(unixMs) / 1_000, labels(running))
            }
        }
        observe(
            "homing_discovery_failing", "1 while the last look of a source has failed, so that an older list is used.",
            .gauge
        ) { emit in
            for running in service.sources { emit(running.source.status.problem == nil ? 0 : 1, labels(running)) }
        }
    }
}
