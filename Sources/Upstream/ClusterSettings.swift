public import Routing
public import Transport

/// The replicas that serve the same models, and how they are used. Configuration section `clusters[]`.
public struct ClusterSettings: Sendable, Equatable {
    /// Names the cluster in listeners, metrics and logs. 1 to 64 letters, digits, `_`, `-` or `.`; unique.
    public var name = ""
    /// Model identities whose requests this cluster serves. Empty means any.
    public var models: [String] = []
    /// Authorities (`:authority`, with or without a port) whose requests this cluster serves.
    public var authorities: [String] = []
    public var routing = RoutingSettings()
    public var probe = ProbeSettings()
    public var outlier = OutlierSettings()
    public var stall = StallSettings()
    public var connections = PoolSettings()
    /// Nil means cleartext.
    public var tls: TLSClientSettings?
    public var auth = UpstreamAuthSettings()
    public var model = ModelSettings()
    /// The status of an answer that ends because its replica was lost.
    public enum LostAnswerStatus: String, Sendable, CaseIterable {
        /// What LocalAI must see: it unloads a model on UNAVAILABLE.
        case aborted
        /// What generic gRPC callers retry on.
        case unavailable
    }
    public var lostAnswerStatus = LostAnswerStatus.aborted
    public var stores = StoresSettings()
    /// How long streams on a replica that is removed may go on; then they are cut.
    public var replicaDrainTimeoutMs = 30_000
    public var replicas: [ReplicaSettings] = []
    /// More of them, found while the process runs.
    public var discovery: [DiscoverySettings] = []

    public init() {}
}

/// One worker process. Configuration section `clusters[].replicas[]`; an address alone means weight 1.
public struct ReplicaSettings: Sendable, Equatable {
    public var address: Endpoint
    /// Decides between replicas that are equally busy: the heavier one goes first. 1 to 1,000.
    public var weight: Int

    public init(address: Endpoint, weight: Int = 1) {
        self.address = address
        self.weight = weight
    }
}
