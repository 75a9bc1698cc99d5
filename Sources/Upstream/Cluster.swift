public import Logging
public import Routing
import Synchronization
public import Telemetry
public import Transport
public import Wire

/// The replicas of one model, and everything that is decided about them: one mutex around plain values.
///
/// Loops pick and release here; the prober, the model lifecycle and the evicting clients report facts. Replicas come and go
/// while that goes on (`Cluster+Replicas`, `Cluster+Leaving`). Nothing slow happens under the lock. Safe to use from every
/// thread.
public final class Cluster: Sendable {
    public let name: String
    /// Replaced whole by `apply`. Never waits for anything, so it may be read under the lock.
    private let current: Mutex<ClusterSettings>
    public let metrics: ClusterMetrics
    /// How replicas are spoken to; nil in cleartext.
    public let tls: TLSContext?
    /// Our token for the replicas; none when `settings.auth` has none. May be exchanged.
    public let tokens: BearerTokens
    let log: Logger
    let retryBudget: RetryBudget
    /// Those of the process.
    let slots: ReplicaSlots
    let state: Mutex<State>
    /// Answers of ModelMetadata.
    public let memo = AnswerMemo()

    struct State: Sendable {
        var table: ReplicaTable
        /// For how long an answer is believed: what streams need of the settings.
        var freshNs: UInt64
        /// By place, which is the replica's slot in the table; nil where nobody is.
        var entries: [Entry?] = []
        /// The same replicas, for the data path.
        var replicas = ContiguousArray<Replica?>()
        /// Places of those that are here, in the order in which they joined.
        var order: [Int] = []
        var queue = Queue()
        var signals = ScaleSignals()
        var outliers: OutlierDetector
        /// The model that the last LoadModel was about, or that callers were right to name.
        var expectedModel: [UInt8]?
        /// Whether a LoadModel is remembered, so that a replica which joins has to be asked for its model.
        var remembersModel = false
        var sticky = StickyTable()
        /// What an operator took out although sources name it, by address.
        var dismissed: [Endpoint: Set<ReplicaOrigin>] = [:]
        var lastDeparture: UInt64 = 0
        /// Names of the last few replicas that left, oldest first.
        var former: [(id: ReplicaID, name: String)] = []
        /// Told when a replica joins, and when one is to leave.
        var rosterChanged: (@Sendable () -> Void)?
    }

    struct Entry: Sendable {
        let replica: Replica
        var health: ReplicaHealth
        var model = ReplicaModel.unasked
        var sinceNs: UInt64
        var why = "not probed yet"
        var probe: ProbeRecord?
        var evictions = 0
        /// What its streams tell: kept as the outlier detector says it.
        var outlier = OutlierDetector.Standing.healthy
        /// Connections to it that are silent although streams wait on them.
        var stalledConnections = 0
        /// It was out since it was available last.
        var wasLost = false
        /// When a call was answered last.
        var answeredNs: UInt64 = 0
        /// Until when nobody needs to probe it to know that it is alive.
        var freshUntilNs: UInt64 = 0
        /// The last probe was answered with UNAUTHENTICATED.
        var deniesProbes = false
        /// Wakes the replica's prober before its time.
        var wake: (@Sendable () -> Void)?
        /// Who named it, whose weight counts first. Empty while it leaves.
        var claims: [Claim] = []
        /// Since when it takes nothing new because an operator says so; nil: it does.
        var drainedNs: UInt64?
        var departure: Departure?

        /// An answer says that it is alive, if it was before.
        mutating func answered(at now: UInt64, freshUntil moment: UInt64) {
            self.answeredNs = now
            if self.health.standing == .available { self.freshUntilNs = moment }
        }
    }

    /// The last probe of a replica.
    public struct ProbeRecord: Sendable {
        public var outcome: ProbeOutcome
        public var atNs: UInt64
        public var latencyNs: UInt64
    }

    /// - Parameters:
    ///   - slots: those of the process, shared by all clusters whose replicas use the same loops.
    ///   - tls: made from `settings.tls`.
    public init(
        settings: ClusterSettings, slots: ReplicaSlots, registry: MetricRegistry, log: Logger, tls: TLSContext? = nil
    ) {
        self.name = settings.name
        self.current = Mutex(settings)
        self.log = log
        self.tls = tls
        self.slots = slots
        self.tokens = BearerTokens([settings.auth.token].compactMap { $0 })
        self.retryBudget = RetryBudget(settings: settings.connections)
        self.metrics = ClusterMetrics(cluster: settings.name, registry: registry)
        self.state = Mutex(
            State(
                table: ReplicaTable(settings: settings.routing), freshNs: settings.probe.freshNs,
                outliers: OutlierDetector(settings: settings.outlier, replicas: 0)))
        self.state.withLock { state in
            for replica in settings.replicas where state.place(at: replica.address) == nil {
                self.join(replica, .static, isFirst: true, in: &state)
            }
        }
    }

    /// What is in use now. A copy: not for the path of a stream.
    public var settings: ClusterSettings { self.current.withLock { $0 } }

    /// Takes up new settings, all but the name, the replicas and what TLS is made from; nothing that is open ends. Loops
    /// take up their share by `UpstreamLoop.apply`.
    public func apply(_ settings: ClusterSettings) {
        self.current.withLock { $0 = settings }
        self.retryBudget.apply(settings.connections)
        self.state.withLock { state in
            if settings.routing != state.table.settings { state.table.apply(settings.routing) }
            state.outliers.apply(settings.outlier)
            state.freshNs = settings.probe.freshNs
            for place in state.order { state.entries[place]?.health.apply(settings.probe) }
        }
        self.dispatchWaiting()
        // A shorter interval counts at once.
        for replica in self.replicas { self.wakeProber(of: replica) }
    }

    /// Those that are here, in the order in which they joined.
    public var replicas: [Replica] {
        self.state.withLock { state in state.order.compactMap { state.replicas[$0] } }
    }

    // MARK: The data path

    /// Picks a replica and takes a lease on it, in one step. Nil when there is no replica at all.
    /// - Parameter answersOnce: the call has one answer, at its end, whose moment says nothing about its prompt.
    public func pick(
        _ chain: PrefixChain, excluding: [ReplicaID], answersOnce: Bool = false, at now: UInt64
    ) -> (Replica, PickDecision)? {
        let picked = self.state.withLock { state in
            state.withReplica(
                state.table.pickAndLease(
                    chain, excluding: excluding, answersOnce: answersOnce, at: Instant(nanoseconds: now)))
        }
        return self.counted(picked, isRetry: !excluding.isEmpty)
    }

    /// Counts a pick, or that there was nobody to pick.
    func counted(_ picked: (Replica, PickDecision)?, isRetry: Bool) -> (Replica, PickDecision)? {
        guard let picked else {
            self.metrics.noReplica.add()
            return nil
        }
        self.countPick(picked.1.reason, diverted: picked.1.diverted, isRetry: isRetry)
        return picked
    }

    /// The same for one that found somebody.
    func countPick(_ reason: PickReason, diverted: Bool, isRetry: Bool) {
        self.metrics.picked(reason, diverted: diverted)
        if !isRetry { self.retryBudget.earn() }
    }

    /// A stream's answer has begun so many nanoseconds after its request.
    public func responded(after nanoseconds: Int) { self.metrics.responded(after: nanoseconds) }

    /// The first message of the stream's answer has arrived.
    public func firstResponse(_ lease: Lease, at now: UInt64) {
        let instant = Instant(nanoseconds: now)
        let handover = self.state.withLock { state in
            if state.table.firstResponse(lease, at: instant) { state.entries[lease.slot]?.answeredNs = now }
            return state.takeReady(at: instant)
        }
        self.hand(over: handover)
    }

    func release(
        _ lease: Lease, _ outcome: UpstreamOutcome, _ observation: StreamObservation = .none,
        _ report: StreamReport = .nothing, at now: UInt64 = Loop.now
    ) {
        let leaseOutcome: LeaseOutcome =
            switch outcome {
            case .answered, .cancelled: .served
            case .failed: .failedBeforeResponse
            }
        var ejected: (Replica, StandingChange)?
        var handover: Handover?
        self.state.withLock { state in
            let instant = Instant(nanoseconds: now)
            if state.table.release(lease, leaseOutcome, observation, at: instant),
                let change = self.learn(from: outcome, report, of: lease.slot, in: &state, at: now),
                let replica = state.replicas[lease.slot]
            {
                // Not to a replica that is about to be ejected: then its change lets the others go.
                ejected = (replica, change)
            } else {
                handover = state.takeReady(at: instant)
            }
        }
        self.hand(over: handover)
        if let ejected {
            self.standingChanged(ejected.0, ejected.1)
            self.dispatchWaiting()
        }
    }

    /// Whether the retry budget allows one more; if so it is spent.
    public func mayRetry() -> Bool {
        if self.retryBudget.spend() { return true }
        self.metrics.retriesRefused.add()
        return false
    }

    /// Why nothing could be picked.
    public enum Shortage: Sendable { case unreachable, loading, notLoaded }

    public func shortage() -> Shortage {
        self.state.withLock { state in
            let reachable = state.present.filter { $0.health.standing != .unreachable && !$0.isDraining }
            if reachable.contains(where: { $0.model == .loading }) { return .loading }
            if reachable.contains(where: { [.missing, .restarted, .another].contains($0.model) }) { return .notLoaded }
            return .unreachable
        }
    }
}

extension Cluster.State {
    /// Everything that is known of those that are here, in the order in which they joined.
    var present: [Cluster.Entry] { self.order.compactMap { self.entries[$0] } }

    /// nil when the replica is gone.
    func place(of replica: Replica) -> Int? { self.replicas[replica.place] === replica ? replica.place : nil }

    func place(at endpoint: Endpoint) -> Int? { self.order.first { self.replicas[$0]?.endpoint == endpoint } }

    /// The replica that was picked a moment ago, under the same lock.
    func withReplica(_ decision: PickDecision?) -> (Replica, PickDecision)? {
        decision.map { (self.replica(in: $0.lease.slot), $0) }
    }

    /// The same by its slot.
    func replica(in slot: Int) -> Replica {
        guard let replica = self.replicas[slot] else {
            preconditionFailure("a pick is one of those that are here")
        }
        return replica
    }
}
