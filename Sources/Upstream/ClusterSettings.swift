package import Routing
package import Transport

/// One cluster: the replicas of one model, and how they are used. Configuration section `clusters[]`.
package struct ClusterSettings: Sendable, Equatable {
    /// The name in logs, metrics and listeners.
    package var name: String
    /// The model identities that this cluster serves; empty means any.
    package var models: [String]
    package var routing: RoutingSettings
    package var probe: ProbeSettings
    package var connections: PoolSettings
    package var model: ModelSettings
    package var replicas: [ReplicaSettings]

    package init(
        name: String, models: [String] = [], routing: RoutingSettings = RoutingSettings(),
        probe: ProbeSettings = ProbeSettings(), connections: PoolSettings = PoolSettings(),
        model: ModelSettings = ModelSettings(), replicas: [ReplicaSettings]
    ) {
        self.name = name
        self.models = models
        self.routing = routing
        self.probe = probe
        self.connections = connections
        self.model = model
        self.replicas = replicas
    }
}

/// One replica. Configuration section `clusters[].replicas[]`.
package struct ReplicaSettings: Sendable, Equatable {
    package var endpoint: Endpoint
    /// Share of the load among equally busy replicas; at least 1.
    package var weight: Int

    package init(endpoint: Endpoint, weight: Int = 1) {
        self.endpoint = endpoint
        self.weight = weight
    }
}
