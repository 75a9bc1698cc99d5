/// One replica at one instant, as `/api/replicas` shows it. What is not known is `null` there, never left out.
package struct ReplicaSnapshot: Sendable, Equatable, Codable {
    /// The last health probe that ended.
    package struct Probe: Sendable, Equatable, Codable {
        /// `alive`, `busy` or `unreachable`.
        package var outcome: String
        /// Time since it ended, in milliseconds.
        package var ageMs: Int
        /// From its start to its answer, in milliseconds with a fraction; nil when no answer came.
        package var latencyMs: Double?

        package init(outcome: String, ageMs: Int, latencyMs: Double?) {
            self.outcome = outcome
            self.ageMs = ageMs
            self.latencyMs = latencyMs
        }

        private enum CodingKeys: String, CodingKey {
            case outcome
            case ageMs = "age_ms"
            case latencyMs = "latency_ms"
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.outcome, forKey: .outcome)
            try container.encode(self.ageMs, forKey: .ageMs)
            try container.encode(self.latencyMs, forKey: .latencyMs)
        }
    }

    /// A replica that takes nothing new, and finishes what is open: `in_flight` streams.
    package struct Drain: Sendable, Equatable, Codable {
        /// For how long it has been so, in milliseconds.
        package var sinceMs: Int
        /// When it is gone, whatever is open then, in milliseconds from now; nil: it stays until somebody says otherwise.
        package var leavesInMs: Int?

        package init(sinceMs: Int, leavesInMs: Int?) {
            self.sinceMs = sinceMs
            self.leavesInMs = leavesInMs
        }

        private enum CodingKeys: String, CodingKey {
            case sinceMs = "since_ms"
            case leavesInMs = "leaves_in_ms"
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.sinceMs, forKey: .sinceMs)
            try container.encode(self.leavesInMs, forKey: .leavesInMs)
        }
    }

    /// Name of its cluster.
    package var cluster: String
    /// Its name in metrics and logs, unique in the cluster.
    package var id: String
    /// Host and port that it is reached at.
    package var address: String
    /// Its state, as in the `state` label of `homing_replica_state`.
    package var state: String
    /// True when a stream may be sent to it now.
    package var usable: Bool
    /// What brought it into this state, in words; empty for its first state.
    package var why: String
    /// How long it has been in this state, in milliseconds.
    package var sinceMs: Int
    /// Streams in flight on it.
    package var inFlight: Int
    /// Streams that it was picked for since it joined, retries included.
    package var picks: Int
    /// Its share against the other replicas of the cluster; 1 unless configured.
    package var weight: Int
    /// Whether it holds a model; nil while that is not known.
    package var modelLoaded: Bool?
    /// The last probe that ended; nil before the first.
    package var lastProbe: Probe?
    /// Times that its connections were dropped after a failure, since it joined.
    package var evictions: Int
    /// Prompt blocks that it is believed to hold.
    package var cachedBlocks: Int
    /// Most streams that it is given at a time; nil without a limit.
    package var maxInFlight: Int?
    /// What the policy learned of it; nil from a policy that learns nothing.
    package var estimates: Estimates?
    /// Who names it: `static`, `api`, `discovery:NAME`. None while it leaves.
    package var origins: [String]
    /// Nil while it takes streams.
    package var drain: Drain?

    package init(
        cluster: String, id: String, address: String, state: String, usable: Bool, why: String, sinceMs: Int,
        inFlight: Int, picks: Int, weight: Int, modelLoaded: Bool?, lastProbe: Probe?, evictions: Int,
        cachedBlocks: Int,
        maxInFlight: Int? = nil, estimates: Estimates? = nil, origins: [String] = ["static"], drain: Drain? = nil
    ) {
        self.cluster = cluster
        self.id = id
        self.address = address
        self.state = state
        self.usable = usable
        self.why = why
        self.sinceMs = sinceMs
        self.inFlight = inFlight
        self.picks = picks
        self.weight = weight
        self.modelLoaded = modelLoaded
        self.lastProbe = lastProbe
        self.evictions = evictions
        self.cachedBlocks = cachedBlocks
        self.maxInFlight = maxInFlight
        self.estimates = estimates
        self.origins = origins
        self.drain = drain
    }

    private enum CodingKeys: String, CodingKey {
        case cluster, id, address, state, usable, why, picks, weight, evictions, estimates, origins, drain
        case sinceMs = "since_ms"
        case inFlight = "in_flight"
        case modelLoaded = "model_loaded"
        case lastProbe = "last_probe"
        case cachedBlocks = "cached_blocks"
        case maxInFlight = "max_in_flight"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.cluster, forKey: .cluster)
        try container.encode(self.id, forKey: .id)
        try container.encode(self.address, forKey: .address)
        try container.encode(self.state, forKey: .state)
        try container.encode(self.usable, forKey: .usable)
        try container.encode(self.why, forKey: .why)
        try container.encode(self.sinceMs, forKey: .sinceMs)
        try container.encode(self.inFlight, forKey: .inFlight)
        try container.encode(self.picks, forKey: .picks)
        try container.encode(self.weight, forKey: .weight)
        // Written by hand for what may be nil: a synthesized one leaves nil out, and a reader then guesses.
        try container.encode(self.modelLoaded, forKey: .modelLoaded)
        try container.encode(self.lastProbe, forKey: .lastProbe)
        try container.encode(self.evictions, forKey: .evictions)
        try container.encode(self.cachedBlocks, forKey: .cachedBlocks)
        try container.encode(self.maxInFlight, forKey: .maxInFlight)
        try container.encode(self.estimates, forKey: .estimates)
        try container.encode(self.origins, forKey: .origins)
        try container.encode(self.drain, forKey: .drain)
    }
}

/// The body of `/api/replicas`.
package struct ReplicaList: Sendable, Equatable, Codable {
    package var replicas: [ReplicaSnapshot]

    package init(replicas: [ReplicaSnapshot]) {
        self.replicas = replicas
    }
}
