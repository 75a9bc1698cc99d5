import Logging
import Routing
import Synchronization
public import Transport
public import Wire

/// What connections, probes and answers tell of a replica, and what follows for the picks. What is told of one that is gone
/// changes nothing.
extension Cluster {
    /// A connection to the replica was taken out.
    func connectionEvicted(_ replica: Replica, _ failure: UpstreamFailure) {
        guard !replica.isGone else { return }
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

    public func probed(_ replica: Replica, _ outcome: ProbeOutcome, latencyNs: UInt64) {
        guard !replica.isGone else { return }
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
        let wasDenied = self.state.withLock { state -> Bool? in
            guard let place = state.place(of: replica) else { return nil }
            defer { state.entries[place]?.deniesProbes = isDenied }
            return state.entries[place]?.deniesProbes
        }
        guard isDenied, let wasDenied else { return }
        self.metrics.probeDenied(replica.name)
        guard !wasDenied else { return }
        self.log.warning(
            "replica does not accept our token",
            metadata: ["cluster": "\(self.name)", "replica": "\(replica.name)"])
    }

    /// A stream was refused with "Model not loaded". Returns whether the replica is out until its model is back, so that
    /// the stream should go elsewhere.
    public func foundNotLoaded(_ replica: Replica) -> Bool {
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

    /// As nobody asked for when the replica is gone.
    func model(of replica: Replica) -> ReplicaModel { self.entry(of: replica)?.model ?? .unasked }
    /// Unreachable when the replica is gone.
    func health(of replica: Replica) -> ReplicaHealth.Standing {
        self.entry(of: replica)?.health.standing ?? .unreachable
    }

    func inFlight(of replica: Replica) -> Int {
        self.state.withLock { $0.table.inFlight(of: replica.id) }
    }

    func onWake(of replica: Replica, _ wake: (@Sendable () -> Void)?) {
        self.state.withLock { state in
            if let place = state.place(of: replica) { state.entries[place]?.wake = wake }
        }
    }

    func wakeProber(of replica: Replica) { self.entry(of: replica)?.wake?() }

    /// What is known of the replica; nil when it is gone.
    func entry(of replica: Replica) -> Entry? {
        self.state.withLock { state in state.place(of: replica).flatMap { state.entries[$0] } }
    }

    /// Changes what is known about a replica and, with it, whether it may be picked. Returns whether it may not. Nothing
    /// happens when it is gone.
    @discardableResult
    func update(_ replica: Replica, why: String, _ change: (inout Entry) -> Void) -> Bool {
        let change = self.state.withLock { state -> AvailabilityChange? in
            guard let place = state.place(of: replica) else { return nil }
            return self.update(place, why: why, in: &state, change)
        }
        guard let change else { return true }
        self.tell(change, of: replica, why: why)
        return change.after.standing == .out
    }

    /// Whether a replica may be picked, and whether it might before.
    struct AvailabilityChange: Sendable {
        var before: Availability
        var after: Availability
    }

    /// The same for the replica in `place`, under the lock. `tell` follows outside of it.
    func update(
        _ place: Int, why: String, in state: inout State, _ change: (inout Entry) -> Void
    ) -> AvailabilityChange? {
        guard var entry = state.entries[place] else { return nil }
        let id = entry.replica.id
        let before = state.table.availability(of: id) ?? .unknown
        let (standing, model) = (entry.health.standing, entry.model)
        change(&entry)
        if entry.health.standing == .unreachable { state.outliers.lost(place) }
        entry.outlier = state.outliers.standing(place)
        let after = entry.availability
        if after != before {
            _ = state.table.setAvailability(id, after)
            entry.sinceNs = Loop.now
            entry.why = why
        }
        state.entries[place] = entry
        if after != before { self.noteReturn(of: place, after, in: &state) }
        // Gone for certain: what it had cached is gone as well. A lost connection alone says nothing about that.
        let isLost = entry.health.standing == .unreachable && standing != .unreachable
        if isLost || entry.model.hasLostCache(since: model) { state.table.forgetCache(of: id) }
        return AvailabilityChange(before: before, after: after)
    }

    /// Says what has changed, and lets those go that waited for it. Not under the lock.
    func tell(_ change: AvailabilityChange, of replica: Replica, why: String) {
        guard change.before != change.after else { return }
        self.log.info(
            "replica changed",
            metadata: [
                "cluster": "\(self.name)", "replica": "\(replica.name)", "from": "\(change.before.name)",
                "to": "\(change.after.name)", "why": "\(why)",
            ])
        self.dispatchWaiting()
    }
}

extension Cluster.Entry {
    /// What routing is told: what an operator says first, then reachability, then the model.
    var availability: Availability {
        if self.isDraining { return .draining }
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
