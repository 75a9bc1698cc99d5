package import Logging
package import Routing
import Synchronization
package import Telemetry
package import Transport
package import Wire

/// The replicas of one model, and everything that is decided about them: one mutex around plain values.
///
/// Loops pick and release here; the prober, the model lifecycle and the evicting clients report facts. Nothing slow
/// happens under the lock. Safe to use from every thread.
package final class Cluster: Sendable {
    package let name: String
    package let settings: ClusterSettings
    package let replicas: [Replica]
    package let metrics: ClusterMetrics
    /// How replicas are spoken to; nil in cleartext.
    package let tls: TLSContext?
    /// Our token for the replicas; none when `settings.auth` has none. May be exchanged.
    package let tokens: BearerTokens
    let log: Logger
    let retryBudget: RetryBudget
    let state: Mutex<State>
    /// Answers of ModelMetadata.
    package let memo = AnswerMemo()

    struct State: Sendable {
        var table: ReplicaTable
        /// By position in `replicas`.
        var entries: [Entry]
        var queue = Queue()
        var signals = ScaleSignals()
        var outliers: OutlierDetector
        /// The model that the last LoadModel was about, or that callers were right to name.
        var expectedModel: [UInt8]?
        var sticky = StickyTable()
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
    }

    /// The last probe of a replica.
    package struct ProbeRecord: Sendable {
        package var outcome: ProbeOutcome
        package var atNs: UInt64
        package var latencyNs: UInt64
    }

    /// - Parameter firstSlot: the process-wide slot of this cluster's first replica; the others follow.
    /// - Parameter tls: made from `settings.tls`.
    package init(
        settings: ClusterSettings, firstSlot: Int, registry: MetricRegistry, log: Logger, tls: TLSContext? = nil
    ) {
        self.name = settings.name
        self.settings = settings
        self.log = log
        self.tls = tls
        self.tokens = BearerTokens([settings.auth.token].compactMap { $0 })
        self.retryBudget = RetryBudget(settings: settings.connections)
        self.metrics = ClusterMetrics(cluster: settings.name, registry: registry)
        var table = ReplicaTable(settings: settings.routing)
        var replicas: [Replica] = []
        for (offset, replica) in settings.replicas.enumerated() {
            let name = replica.address.description
            replicas.append(
                Replica(
                    id: table.add(name: name, weight: replica.weight), slot: firstSlot + offset,
                    endpoint: replica.address, weight: replica.weight,
                    connections: registry.gauge(
                        "homing_upstream_connections", help: "Connections to replicas that are open or opening.",
                        labels: ["cluster": settings.name, "replica": name])))
        }
        self.replicas = replicas
        let now = Loop.now
        let entries = replicas.map {
            Entry(replica: $0, health: ReplicaHealth(settings: settings.probe), sinceNs: now)
        }
        self.state = Mutex(
            State(
                table: table, entries: entries,
                outliers: OutlierDetector(settings: settings.outlier, replicas: entries.count)))
    }

    // MARK: The data path

    /// Picks a replica and takes a lease on it, in one step. Nil when there is no replica at all.
    /// - Parameter answersOnce: the call has one answer, at its end, whose moment says nothing about its prompt.
    package func pick(
        _ chain: PrefixChain, excluding: [ReplicaID], answersOnce: Bool = false, at now: UInt64
    ) -> (Replica, PickDecision)? {
        let decision = self.state.withLock {
            $0.table.pickAndLease(
                chain, excluding: excluding, answersOnce: answersOnce, at: Instant(nanoseconds: now))
        }
        return self.counted(decision, isRetry: !excluding.isEmpty)
    }

    /// Counts a pick, or that there was nobody to pick.
    func counted(_ decision: PickDecision?, isRetry: Bool) -> (Replica, PickDecision)? {
        guard let decision else {
            self.metrics.noReplica.add()
            return nil
        }
        return self.countedPick(decision, isRetry: isRetry)
    }

    /// The same for one that found somebody.
    func countedPick(_ decision: PickDecision, isRetry: Bool) -> (Replica, PickDecision) {
        self.metrics.picked(decision)
        if !isRetry { self.retryBudget.earn() }
        return (self.replica(decision.replica), decision)
    }

    /// The first message of the stream's answer has arrived.
    package func firstResponse(_ lease: Lease, at now: UInt64) {
        let instant = Instant(nanoseconds: now)
        let handover = self.state.withLock { state in
            state.table.firstResponse(lease, at: instant)
            state.entries[self.position(of: lease.replica)].answeredNs = now
            return state.takeReady(at: instant)
        }
        self.hand(over: handover)
    }

    func release(
        _ lease: Lease, _ outcome: UpstreamOutcome, _ observation: StreamObservation = .none,
        _ report: StreamReport = .nothing
    ) {
        let leaseOutcome: LeaseOutcome =
            switch outcome {
            case .answered, .cancelled: .served
            case .failed: .failedBeforeResponse
            }
        let now = Loop.now
        let (ejected, handover) = self.state.withLock { state in
            let instant = Instant(nanoseconds: now)
            state.table.release(lease, leaseOutcome, observation, at: instant)
            let ejected = self.learn(
                from: outcome, report, of: self.position(of: lease.replica), in: &state, at: now)
            // Not to a replica that is about to be ejected: then its change lets the others go.
            return (ejected, ejected == nil ? state.takeReady(at: instant) : Handover())
        }
        self.hand(over: handover)
        if let ejected {
            self.standingChanged(self.replica(lease.replica), ejected)
            self.dispatchWaiting()
        }
    }

    /// Whether the retry budget allows one more; if so it is spent.
    package func mayRetry() -> Bool {
        if self.retryBudget.spend() { return true }
        self.metrics.retriesRefused.add()
        return false
    }

    /// Why nothing could be picked.
    package enum Shortage: Sendable { case unreachable, loading, notLoaded }

    package func shortage() -> Shortage {
        self.state.withLock { state in
            let reachable = state.entries.filter { $0.health.standing != .unreachable }
            if reachable.contains(where: { $0.model == .loading }) { return .loading }
            if reachable.contains(where: { [.missing, .restarted, .another].contains($0.model) }) { return .notLoaded }
            return .unreachable
        }
    }

    // MARK: Facts

    /// A connection to the replica was taken out.
    func connectionEvicted(_ replica: Replica, _ failure: UpstreamFailure) {
        self.metrics.evicted(replica.name, failure.name)
        let wasPicked = self.isPicked(replica)
        self.update(replica, why: failure.name) { entry in
            entry.evictions += 1
            entry.freshUntilNs = 0
            switch failure {
            case .connectFailed(let cause): entry.health.connectFailed(refused: cause == .refused)
            case .connectionLost, .settingsTimeout, .stalled: entry.health.connectionLost()
            case .refused, .reset, .notGRPC: ()
            }
            entry.model.lost(refused: failure == .connectFailed(.refused))
        }
        // A replica that is out refuses every probe; what changed is said by `update`.
        self.log.log(
            level: failure == .connectionLost ? .info : .debug, "connection evicted",
            metadata: [
                "cluster": "\(self.name)", "replica": "\(replica.name)", "cause": "\(failure.name)",
                "detail": "\(failure.detail ?? "")",
            ])
        if wasPicked { self.countConnectionLoss(replica, failure) }
        // Looked at again soon, and from then on at the short pace, until it answers.
        self.wakeProber(of: replica)
    }

    package func probed(_ replica: Replica, _ outcome: ProbeOutcome, latencyNs: UInt64) {
        self.metrics.probed(replica.name, outcome.name)
        self.update(replica, why: "probe \(outcome.name)") { entry in
            entry.probe = ProbeRecord(outcome: outcome, atNs: Loop.now, latencyNs: latencyNs)
            switch outcome {
            case .alive:
                entry.health.probeAnswered()
                entry.freshUntilNs = Loop.now + self.settings.probe.freshNs
            case .busy: entry.health.probeTimedOut()
            case .unreachable(let refused):
                entry.freshUntilNs = 0
                entry.health.probeFailed(refused: refused)
                entry.model.lost(refused: refused)
            }
        }
    }

    /// A replica that does not take our token is alive; an operator should hear of it all the same, once.
    func probeAnswered(_ replica: Replica, _ code: GRPCStatusCode) {
        let isDenied = code == .unauthenticated
        let wasDenied = self.state.withLock { state in
            let position = self.position(of: replica)
            defer { state.entries[position].deniesProbes = isDenied }
            return state.entries[position].deniesProbes
        }
        guard isDenied else { return }
        self.metrics.probeDenied(replica.name)
        guard !wasDenied else { return }
        self.log.warning(
            "replica does not accept our token",
            metadata: ["cluster": "\(self.name)", "replica": "\(replica.name)"])
    }

    /// A stream was refused with "Model not loaded". Returns whether the replica is out until its model is back, so that
    /// the stream should go elsewhere.
    package func foundNotLoaded(_ replica: Replica) -> Bool {
        let isOut = self.update(replica, why: "model not loaded") { entry in
            // Without remembered options nobody could load it again: then the worker's own answer is the best one.
            guard entry.model != .unasked else { return }
            if entry.model != .loading { entry.model = .missing }
        }
        if isOut { self.wakeProber(of: replica) }
        return isOut
    }

    func setModel(of replica: Replica, _ model: ReplicaModel, why: String) {
        self.memo.forgetAll()
        self.update(replica, why: why) { $0.model = model }
    }

    func model(of replica: Replica) -> ReplicaModel { self.entry(of: replica).model }
    func health(of replica: Replica) -> ReplicaHealth.Standing { self.entry(of: replica).health.standing }

    func inFlight(of replica: Replica) -> Int {
        self.state.withLock { $0.table.inFlight(of: replica.id) }
    }

    func onWake(of replica: Replica, _ wake: (@Sendable () -> Void)?) {
        self.state.withLock { $0.entries[self.position(of: replica)].wake = wake }
    }

    func wakeProber(of replica: Replica) { self.entry(of: replica).wake?() }

    /// Drops index entries that are too old. Called now and then.
    func sweep() {
        self.state.withLock { _ = $0.table.sweep(at: Instant(nanoseconds: Loop.now)) }
        self.sampleSignals()
    }

    // MARK: Sight

    /// Whether a stream would find a replica now.
    package var isUsable: Bool {
        self.state.withLock { state in
            state.entries.contains { $0.health.standing != .unreachable && $0.availability.standing != .out }
        }
    }

    /// Whether at least one replica takes streams and has answered: what `/ready` says.
    package var hasAvailableReplica: Bool {
        self.state.withLock { $0.entries.contains { $0.availability == .available } }
    }

    /// Whether at least one replica answers, with or without a model: what Health says, since callers ask it before
    /// they send LoadModel.
    package var answersHealth: Bool {
        self.state.withLock { $0.entries.contains { $0.health.standing == .available } }
    }

    /// What Status says of the cluster as a whole.
    var statusState: StatusResponse.State {
        self.state.withLock { state in
            let reachable = state.entries.filter { $0.health.standing != .unreachable }
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
            state.entries.filter { $0.health.standing != .unreachable }.map(\.replica)
        }
    }

    /// One replica as operators see it.
    package struct Row: Sendable {
        package var replica: Replica
        package var availability: Availability
        package var why: String
        package var sinceNs: UInt64
        package var inFlight: Int
        package var picks: Int
        package var cachedBlocks: Int
        package var model: ReplicaModel
        package var probe: ProbeRecord?
        package var evictions: Int
        /// Most streams that it is given; zero: not limited.
        package var limit: Int
        /// What the policy learned of it; nil from a policy that learns nothing.
        package var estimates: ReplicaEstimates?
    }

    package func rows() -> [Row] {
        self.state.withLock { state in
            let table = Dictionary(uniqueKeysWithValues: state.table.snapshot().map { ($0.replica, $0) })
            return state.entries.compactMap { entry in
                table[entry.replica.id].map { row in
                    Row(
                        replica: entry.replica, availability: row.availability, why: entry.why,
                        sinceNs: entry.sinceNs, inFlight: row.inFlight, picks: Int(row.picks),
                        cachedBlocks: row.cachedBlocks, model: entry.model, probe: entry.probe,
                        evictions: entry.evictions, limit: state.table.limit(of: entry.replica.id),
                        estimates: state.table.estimates(of: entry.replica.id))
                }
            }
        }
    }

    package var indexedBlocks: Int { self.state.withLock { $0.table.indexedBlocks } }
    package var totalInFlight: Int { self.state.withLock { $0.table.totalInFlight } }

    // MARK: Private

    func position(of replica: Replica) -> Int { replica.slot - self.replicas[0].slot }
    func position(of id: ReplicaID) -> Int { Int(id.number) - Int(self.replicas[0].id.number) }

    func replica(_ id: ReplicaID) -> Replica { self.replicas[self.position(of: id)] }

    func entry(of replica: Replica) -> Entry {
        self.state.withLock { $0.entries[self.position(of: replica)] }
    }

    /// Changes what is known about a replica and, with it, whether it may be picked. Returns whether it may not.
    @discardableResult
    func update(_ replica: Replica, why: String, _ change: (inout Entry) -> Void) -> Bool {
        let position = self.position(of: replica)
        let (before, after) = self.state.withLock { state in
            let before = state.table.availability(of: replica.id) ?? .unknown
            let model = state.entries[position].model
            change(&state.entries[position])
            if state.entries[position].health.standing == .unreachable { state.outliers.lost(position) }
            state.entries[position].outlier = state.outliers.standing(position)
            let after = state.entries[position].availability
            if after != before {
                _ = state.table.setAvailability(replica.id, after)
                state.entries[position].sinceNs = Loop.now
                state.entries[position].why = why
                self.noteReturn(of: position, after, in: &state)
            }
            // Gone for certain: what it had cached is gone as well. A lost connection alone says nothing about that.
            if after != before && after == .unreachable || state.entries[position].model.hasLostCache(since: model) {
                state.table.forgetCache(of: replica.id)
            }
            return (before, after)
        }
        if before != after {
            self.log.info(
                "replica changed",
                metadata: [
                    "cluster": "\(self.name)", "replica": "\(replica.name)", "from": "\(before.name)",
                    "to": "\(after.name)", "why": "\(why)",
                ])
            self.dispatchWaiting()
        }
        return after.standing == .out
    }
}

extension Cluster.Entry {
    /// What routing is told: reachability first, then the model.
    var availability: Availability {
        switch self.health.standing {
        case .unreachable: return .unreachable
        case .unknown, .suspect, .available: ()
        }
        switch self.model {
        case .loading: return .loading
        case .missing, .restarted, .another: return .notLoaded
        case .unchecked: return .suspect
        case .unasked, .loaded: ()
        }
        if self.stalledConnections > 0 { return .stalled }
        switch self.outlier {
        case .healthy: ()
        case .ejected: return .ejected
        case .trial: return .trial
        }
        switch self.health.standing {
        case .unknown: return .unknown
        case .suspect: return .suspect
        case .available, .unreachable: return .available
        }
    }
}
