public import Routing
import Synchronization
import Transport
import Wire

/// What operators and callers are told about the cluster as a whole and about each of its replicas.
extension Cluster {
    /// Whether a stream would find a replica now.
    public var isUsable: Bool {
        self.state.withLock { state in
            state.entries.contains { entry in
                guard let entry else { return false }
                return entry.health.standing != .unreachable && entry.availability.standing != .out
            }
        }
    }

    /// Whether at least one replica takes streams and has answered: what `/ready` says.
    public var hasAvailableReplica: Bool {
        self.state.withLock { $0.entries.contains { $0?.availability == .available } }
    }

    /// Whether at least one replica answers, with or without a model: what Health says, since callers ask it before
    /// they send LoadModel.
    public var answersHealth: Bool {
        self.state.withLock { state in
            state.entries.contains { entry in
                guard let entry else { return false }
                return entry.health.standing == .available && !entry.isDraining
            }
        }
    }

    /// What Status says of the cluster as a whole.
    var statusState: StatusResponse.State {
        self.state.withLock { state in
            let reachable = state.present.filter { $0.health.standing != .unreachable }
            guard !reachable.isEmpty else { return .error }
            let usable = reachable.filter { $0.availability.standing != .out }
            guard !usable.isEmpty else {
                return reachable.contains { $0.model == .loading } ? .busy : .uninitialized
            }
            return usable.contains { state.table.inFlight(of: $0.replica.id) == 0 } ? .ready : .busy
        }
    }

    /// Those that are not known to be out of reach.
    var reachableReplicas: [Replica] {
        self.state.withLock { state in
            state.present.filter { $0.health.standing != .unreachable }.map(\.replica)
        }
    }

    /// One replica as operators see it.
    public struct Row: Sendable {
        public var replica: Replica
        public var weight: Int
        /// Who named it, whose weight counts first. Empty while it leaves.
        public var origins: [ReplicaOrigin]
        /// Nil while it takes streams.
        public var drain: Drain?
        public var availability: Availability
        public var why: String
        public var sinceNs: UInt64
        public var inFlight: Int
        public var picks: Int
        public var cachedBlocks: Int
        public var model: ReplicaModel
        public var probe: ProbeRecord?
        public var evictions: Int
        /// Most streams that it is given; zero: not limited.
        public var limit: Int
        /// What the policy learned of it; nil from a policy that learns nothing.
        public var estimates: ReplicaEstimates?
    }

    /// A replica that takes nothing new.
    public struct Drain: Sendable, Equatable {
        public var sinceNs: UInt64
        /// When it is gone, whatever is open then; nil: it stays until somebody says otherwise.
        public var leavesByNs: UInt64?
    }

    public func rows() -> [Row] {
        self.state.withLock { state in
            let table = Dictionary(uniqueKeysWithValues: state.table.snapshot().map { ($0.replica, $0) })
            return state.present.compactMap { entry in
                table[entry.replica.id].map { row in
                    Row(
                        replica: entry.replica, weight: row.weight, origins: entry.claims.map(\.origin),
                        drain: entry.drain, availability: row.availability, why: entry.why,
                        sinceNs: entry.sinceNs, inFlight: row.inFlight, picks: Int(row.picks),
                        cachedBlocks: row.cachedBlocks, model: entry.model, probe: entry.probe,
                        evictions: entry.evictions, limit: state.table.limit(of: entry.replica.id),
                        estimates: state.table.estimates(of: entry.replica.id))
                }
            }
        }
    }

    public var indexedBlocks: Int { self.state.withLock { $0.table.indexedBlocks } }
    public var totalInFlight: Int { self.state.withLock { $0.table.totalInFlight } }

    /// The name of a replica that is here, or was until lately.
    public func name(of id: ReplicaID) -> String? {
        self.state.withLock { state in
            state.order.compactMap { state.replicas[$0] }.first { $0.id == id }?.name
                ?? state.former.last { $0.id == id }?.name
        }
    }

    /// Drops index entries that are too old. Called now and then.
    func sweep() {
        self.state.withLock { _ = $0.table.sweep(at: Instant(nanoseconds: Loop.now)) }
        self.sampleSignals()
    }
}
