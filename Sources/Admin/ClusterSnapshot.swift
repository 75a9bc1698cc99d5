/// One cluster at one instant, as `/api/clusters` shows it.
package struct ClusterSnapshot: Sendable, Equatable, Codable {
    /// Its configured name.
    package var name: String
    /// Models that lead here; empty means every model that no other cluster names.
    package var models: [String]
    /// Configured name of the routing policy.
    package var policy: String
    /// Replicas of any state.
    package var replicas: Int
    /// Replicas that a stream may be sent to now.
    package var usableReplicas: Int
    /// Streams in flight, all replicas together.
    package var inFlight: Int
    /// Streams that were given a replica since the start, retries included.
    package var picks: Int
    /// Prompt blocks that the prefix index remembers; one that several replicas hold counts once.
    package var indexBlocks: Int
    /// True when a LoadModel is remembered and replayed to replicas that come without a model.
    package var modelRemembered: Bool
    package var queue: Queue

    package init(
        name: String, models: [String], policy: String, replicas: Int, usableReplicas: Int, inFlight: Int, picks: Int,
        indexBlocks: Int, modelRemembered: Bool,
        queue: Queue = Queue(waiting: 0, divertsPerMinute: 0, saturation: nil, replicasWanted: nil)
    ) {
        self.name = name
        self.models = models
        self.policy = policy
        self.replicas = replicas
        self.usableReplicas = usableReplicas
        self.inFlight = inFlight
        self.picks = picks
        self.indexBlocks = indexBlocks
        self.modelRemembered = modelRemembered
        self.queue = queue
    }

    private enum CodingKeys: String, CodingKey {
        case name, models, policy, replicas, picks, queue
        case usableReplicas = "usable_replicas"
        case inFlight = "in_flight"
        case indexBlocks = "index_blocks"
        case modelRemembered = "model_remembered"
    }
}

/// The body of `/api/clusters`.
package struct ClusterList: Sendable, Equatable, Codable {
    package var clusters: [ClusterSnapshot]

    package init(clusters: [ClusterSnapshot]) {
        self.clusters = clusters
    }
}
