package import Routing

/// One comparison: traffic, a fleet, and how much the traffic asks of it.
package struct Scenario: Sendable {
    package enum Traffic: Sendable {
        case family(SyntheticFamily, requests: Int, seed: UInt64)
        case trace(Trace)

        package var name: String {
            switch self {
            case .family(let family, _, _): family.rawValue
            case .trace(let trace): trace.name
            }
        }
    }

    package var traffic: Traffic
    package var fleet: FleetSettings
    /// Share of the fleet's prefill time that the traffic needs when nothing cached is computed twice. Above 0.
    package var load: Double
    /// What is special about the fleet, for people.
    package var fleetName: String

    package init(_ traffic: Traffic, load: Double, fleet: FleetSettings = FleetSettings(), fleetName: String = "") {
        self.traffic = traffic
        self.fleet = fleet
        self.load = load
        self.fleetName = fleetName
    }

    package var name: String {
        let cache = Double(self.fleet.replica.cacheTokens) / 1e6
        let place = "\(Int((self.load * 100).rounded())) % of \(self.fleet.replicas) × \(cache) M"
        return "\(self.traffic.name), \(place)\(self.fleetName.isEmpty ? "" : ", \(self.fleetName)")"
    }

    /// The traffic at the rate that makes the load. Empty traffic, or traffic that comes all at once, stays as it is.
    package func trace() -> Trace {
        let trace =
            switch self.traffic {
            case .family(let family, let requests, let seed): Trace.synthetic(family, requests: requests, seed: seed)
            case .trace(let trace): trace
            }
        let natural = trace.utilisation(self.fleet)
        return natural > 0 ? trace.faster(self.load / natural) : trace
    }

    /// What a cluster with such a fleet would be configured with: the number of slots, and prompts wait for up to half a
    /// minute.
    package var settings: RoutingSettings {
        var settings = RoutingSettings()
        settings.seed = self.fleet.seed
        settings.expectedTTFT.maxWaitMs = 30_000
        settings.expectedTTFT.slots = self.fleet.replica.slots
        return settings
    }

    /// The range over which goals are stated: loads, sizes of fleet and cache, durations that vary, replicas that are
    /// not alike, slots, prefills that answers slow down.
    package static func range(_ traffic: Traffic, seed: UInt64) -> [Scenario] {
        func scenario(
            _ load: Double, _ replicas: Int, _ cacheTokens: Int, _ name: String = "",
            _ change: (inout FleetSettings) -> Void = { _ in }
        ) -> Scenario {
            var fleet = FleetSettings()
            fleet.seed = seed
            fleet.replicas = replicas
            fleet.replica.cacheTokens = cacheTokens
            change(&fleet)
            return Scenario(traffic, load: load, fleet: fleet, fleetName: name)
        }
        return [
            scenario(0.5, 8, 2_000_000), scenario(0.7, 8, 2_000_000), scenario(0.9, 8, 2_000_000),
            scenario(0.7, 8, 500_000), scenario(0.8, 8, 8_000_000), scenario(0.8, 16, 1_000_000),
            scenario(0.7, 64, 500_000),
            scenario(0.8, 4, 1_000_000, "durations ± 20 %") { $0.noise = 0.2 },
            scenario(0.6, 32, 1_000_000, "± 30 %, slowed by answers") {
                $0.noise = 0.3
                $0.replica.overheadSeconds = 0.03
                $0.replica.interference = 0.01
            },
            scenario(0.6, 8, 2_000_000, "unequal") { $0.slowness = [0.6, 0.6, 0.8, 0.8, 1, 1, 1.6, 1.6] },
            scenario(0.7, 8, 2_000_000, "16 slots") { $0.replica.slots = 16 },
        ]
    }
}
