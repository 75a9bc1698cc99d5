package import Routing

/// Everything that a replay can compare: the policies that a cluster may name, and baselines.
package enum ReplayPolicy: Hashable, Sendable {
    case shipped(PolicyName)
    case baseline(Baseline)

    /// What only the replay knows.
    package enum Baseline: String, CaseIterable, Sendable {
        /// Knows every cache and queue exactly.
        case trueGreedy = "true_greedy"
        /// Plans as `expected_ttft` and knows every cache and queue exactly.
        case truePlanner = "true_planner"
        /// `prefix_cache` as LocalAI runs it: with its own chain, which ends after 64 blocks of 256 bytes.
        case localAI = "localai"
        case sglang = "sglang_cache_aware"
        case dynamo = "dynamo_kv"
        case inferenceGateway = "inference_gateway"
        case preble = "preble_e2"
        case mooncake = "mooncake_conductor"
    }

    package static let all =
        PolicyName.allCases.map { ReplayPolicy.shipped($0) } + Baseline.allCases.map { ReplayPolicy.baseline($0) }

    package init?(name: String) {
        if let policy = PolicyName(rawValue: name) {
            self = .shipped(policy)
        } else if let baseline = Baseline(rawValue: name) {
            self = .baseline(baseline)
        } else {
            return nil
        }
    }

    package var name: String {
        switch self {
        case .shipped(let policy): policy.rawValue
        case .baseline(let baseline): baseline.rawValue
        }
    }

    /// Runs `trace` under this policy. `settings` are those of a cluster; their policy is not looked at.
    package func run(
        _ trace: Trace, _ fleet: FleetSettings, settings: RoutingSettings, progress: (Int) -> Void = { _ in }
    ) -> ReplayResult {
        var simulation = Simulation(trace, fleet)
        switch self {
        case .shipped(let policy):
            var settings = settings
            settings.policy = policy
            var router = TableRouter(settings, replicas: fleet.replicas)
            return simulation.run(&router, progress: progress)
        case .baseline(.trueGreedy):
            var router = TrueGreedyRouter()
            return simulation.run(&router, progress: progress)
        case .baseline(.truePlanner):
            var router = TruePlannerRouter(settings.expectedTTFT, replicas: fleet.replicas)
            return simulation.run(&router, progress: progress)
        case .baseline(.localAI):
            var settings = RoutingSettings()
            settings.policy = .prefixCache
            settings.chain = .compatible
            settings.seed = fleet.seed
            var router = TableRouter(settings, replicas: fleet.replicas)
            return simulation.run(&router, progress: progress)
        case .baseline(let baseline):
            var router = BaselineRouter(baseline, replicas: fleet.replicas, seed: fleet.seed)
            return simulation.run(&router, progress: progress)
        }
    }
}
