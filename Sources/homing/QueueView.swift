import Admin
import Routing
import Telemetry
import Upstream

/// Queues, estimates and scale signals as operators see them.
enum QueueView {
    static func snapshot(of cluster: Cluster) -> ClusterSnapshot.Queue {
        let signals = cluster.signals
        return ClusterSnapshot.Queue(
            waiting: cluster.waitingCount, divertsPerMinute: signals.divertsPerMinute, saturation: signals.saturation,
            replicasWanted: signals.replicasWanted)
    }

    static func snapshot(of estimates: ReplicaEstimates) -> ReplicaSnapshot.Estimates {
        func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }
        return ReplicaSnapshot.Estimates(
            prefillTokensPerSecond: rounded(estimates.prefillTokensPerSecond),
            overheadMs: rounded(estimates.overheadMs), cacheTokens: estimates.cacheTokens, slots: estimates.slots,
            predictedMs: rounded(estimates.predictedMs), observedMs: rounded(estimates.observedMs),
            observations: estimates.observations, lineShare: rounded(estimates.lineShare))
    }

    static func observe(_ clusters: [Cluster], in registry: MetricRegistry) {
        registry.observed(
            "homing_queue_length", help: "Streams that wait in the proxy for a replica.", kind: .gauge
        ) { emit in
            for cluster in clusters { emit(cluster.waitingCount, ["cluster": cluster.name]) }
        }
        registry.observed(
            "homing_diverts_last_minute", help: "Streams that left a warm replica in the last minute.", kind: .gauge
        ) { emit in
            for cluster in clusters { emit(cluster.signals.divertsPerMinute, ["cluster": cluster.name]) }
        }
        // These are missing where nobody knows what a replica can do, so that readers are told of them here.
        func observe(
            _ name: String, _ help: String, _ emit: @escaping @Sendable (inout Observation) -> Void
        ) {
            registry.declare(name, help: help, kind: .gauge, labels: ["cluster"])
            registry.observed(name, help: help, kind: .gauge, emit)
        }
        observe(
            "homing_saturation",
            "Work of the last minute divided by what the usable replicas can do; above 1 it piles up."
        ) { emit in
            for cluster in clusters {
                if let saturation = cluster.signals.saturation { emit(saturation, ["cluster": cluster.name]) }
            }
        }
        observe(
            "homing_replicas_wanted",
            "Replicas that would serve the work of the last minute at a saturation of 0.7, at least 1."
        ) { emit in
            for cluster in clusters {
                if let wanted = cluster.signals.replicasWanted { emit(wanted, ["cluster": cluster.name]) }
            }
        }
        self.observeEstimates(clusters, in: registry)
    }

    private static func observeEstimates(_ clusters: [Cluster], in registry: MetricRegistry) {
        func observe(_ name: String, _ help: String, _ value: @escaping @Sendable (ReplicaEstimates) -> Double) {
            registry.declare(name, help: help, kind: .gauge, labels: ["cluster", "replica"])
            registry.observed(name, help: help, kind: .gauge) { emit in
                for cluster in clusters {
                    for row in cluster.rows() {
                        guard let estimates = row.estimates else { continue }
                        emit(value(estimates), ["cluster": cluster.name, "replica": row.replica.name])
                    }
                }
            }
        }
        observe(
            "homing_replica_prefill_tokens_per_second", "Prompt tokens per second that each replica is believed to do."
        ) {
            $0.prefillTokensPerSecond
        }
        observe("homing_replica_prompt_overhead_seconds", "What each prompt is believed to take besides its tokens.") {
            $0.overheadMs / 1_000
        }
        observe("homing_replica_cache_tokens", "Tokens that each replica's cache is believed to hold.") {
            Double($0.cacheTokens)
        }
        observe("homing_replica_predicted_ttft_seconds", "Predicted time to the first response, averaged over dozens.")
        {
            $0.predictedMs / 1_000
        }
        observe("homing_replica_observed_ttft_seconds", "Observed time to the first response of the same streams.") {
            $0.observedMs / 1_000
        }
    }
}
