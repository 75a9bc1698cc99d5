package import Routing
package import Transport

/// The replicas that serve the same models, and how they are used. Configuration section `clusters[]`.
package struct ClusterSettings: Sendable, Equatable {
    /// Names the cluster in listeners, metrics and logs. 1 to 64 letters, digits, `_`, `-` or `.`; unique.
    package var name = ""
    /// Model identities whose requests this cluster serves. Empty means any.
    package var models: [String] = []
    /// Authorities (`:authority`, with or without a port) whose requests this cluster serves.
    package var authorities: [String] = []
    package var routing = RoutingSettings()
    package var probe = ProbeSettings()
    package var outlier = OutlierSettings()
    package var stall = StallSettings()
    package var connections = PoolSettings()
    /// Nil means cleartext.
    package var tls: TLSClientSettings?
    package var auth = UpstreamAuthSettings()
    package var model = ModelSettings()
    /// The status of an answer that ends because its replica was lost.
    package enum LostAnswerStatus: String, Sendable, CaseIterable {
        /// What LocalAI must see: it unloads a model on UNAVAILABLE.
        case aborted
        /// What generic gRPC callers retry on.
        case unavailable
    }
    package var lostAnswerStatus = LostAnswerStatus.aborted
    package var stores = StoresSettings()
    /// How long streams on a replica that is removed may go on; then they are cut.
    package var replicaDrainTimeoutMs = 30_000
    package var replicas: [ReplicaSettings] = []
    /// More of them, found while the process runs.
    package var discovery: [DiscoverySettings] = []

    package init() {}
}

/// One worker process. Configuration section `clusters[].replicas[]`; an address alone means weight 1.
package struct ReplicaSettings: Sendable, Equatable {
    package var address: Endpoint
    /// Decides between replicas that are equally busy: the heavier one goes first. 1 to 1,000.
    package var weight: Int

    package init(address: Endpoint, weight: Int = 1) {
        self.address = address
        self.weight = weight
    }
}
