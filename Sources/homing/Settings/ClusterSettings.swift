import Routing
import Transport
import Upstream

/// The replicas that serve the same models, and how they are used. Configuration section `clusters[]`.
struct ClusterSettings: Sendable, Equatable {
    /// Names the cluster in listeners, metrics and logs. 1 to 64 letters, digits, `_`, `-` or `.`; unique.
    var name = ""
    /// Model identities whose requests this cluster serves. Empty means any.
    var models: [String] = []
    var routing = RoutingSettings()
    var probe = ProbeSettings()
    var connections = PoolSettings()
    var model = ModelSettings()
    var replicas: [ReplicaSettings] = []
}

/// One worker process. Configuration section `clusters[].replicas[]`; an address alone means weight 1.
struct ReplicaSettings: Sendable, Equatable {
    var address: Endpoint
    /// Decides between replicas that are equally busy: the heavier one goes first. 1 to 1,000.
    var weight = 1
}
