import Logging
public import Routing
import Synchronization
import Transport

/// What streams and connections tell of a replica besides whether it can be reached: failures, silence, freshness.
extension Cluster {
    // MARK: Streams

    /// A stream ended. Under the lock. Returns why its replica's standing is to be looked at anew, nil when it is not.
    func learn(
        from outcome: UpstreamOutcome, _ report: StreamReport, of position: Int, in state: inout State,
        at now: UInt64
    ) -> StandingChange? {
        let event: OutlierDetector.Event
        switch outcome {
        case .answered:
            // In place: a copy of the entry would count six references up and down.
            let freshUntilNs = now + state.freshNs
            state.entries[position]?.answered(at: now, freshUntil: freshUntilNs)
            event = report.isError ? .error : .answered
        // The caller's doing.
        case .cancelled: return nil
        case .failed(.reset), .failed(.notGRPC): event = .failure
        // One connection with many streams is one failure; `countConnectionLoss` counts it.
        case .failed(.connectFailed), .failed(.connectionLost), .failed(.settingsTimeout), .failed(.stalled),
            .failed(.refused):
            return nil
        }
        let before = state.outliers.standing(position)
        let othersOut = event == .failure ? Self.othersOut(position, state) : 0
        let cause = state.outliers.record(
            position, event, firstResponseNs: report.firstResponseNs, othersOut: othersOut,
            random: event == .failure ? .random(in: 0...1) : 0, at: now)
        guard cause != nil || state.outliers.standing(position) != before else { return nil }
        return StandingChange(cause: cause)
    }

    /// The outlier detector has another opinion of a replica.
    struct StandingChange: Sendable {
        /// Why it was ejected; nil when it was not.
        var cause: OutlierDetector.Cause?
    }

    func standingChanged(_ replica: Replica, _ change: StandingChange) {
        if let cause = change.cause {
            self.metrics.ejected(replica.name, cause)
            self.log.warning(
                "replica ejected",
                metadata: [
                    "cluster": "\(self.name)", "replica": "\(replica.name)", "cause": "\(cause.rawValue)",
                ])
        }
        self.update(replica, why: change.cause?.rawValue ?? "trial answered") { _ in }
    }

    /// Whether streams are sent there. What befalls a replica that is out already, and is only probed, is no news about
    /// its streams: counted, it would keep the replica out after its return.
    func isPicked(_ replica: Replica) -> Bool { self.entry(of: replica)?.availability.standing == .candidate }

    func countConnectionLoss(_ replica: Replica, _ failure: UpstreamFailure) {
        switch failure {
        case .connectionLost, .settingsTimeout, .stalled: ()
        // Whether it can be reached at all is the prober's business.
        case .connectFailed, .refused, .reset, .notGRPC: return
        }
        self.countFailure(replica)
    }

    private func countFailure(_ replica: Replica) {
        let cause = self.state.withLock { state -> OutlierDetector.Cause? in
            guard let position = state.place(of: replica) else { return nil }
            let othersOut = Self.othersOut(position, state)
            return state.outliers.record(
                position, .failure, othersOut: othersOut, random: .random(in: 0...1), at: Loop.now)
        }
        if let cause { self.standingChanged(replica, StandingChange(cause: cause)) }
    }

    private static func othersOut(_ position: Int, _ state: borrowing State) -> Int {
        state.entries.indices.count { $0 != position && state.entries[$0]?.isLost ?? false }
    }

    /// Ends ejections whose time is over, and finds those who do worse than the others. Called about every second.
    func lookForOutliers(at now: UInt64) {
        let changed = self.state.withLock { state in
            let isOut = state.entries.map { $0?.isLost ?? false }
            let found = state.outliers.look(isOut: isOut, random: .random(in: 0...1), at: now)
            return state.order.compactMap { position -> (Replica, OutlierDetector.Cause?)? in
                guard let entry = state.entries[position], state.outliers.standing(position) != entry.outlier else {
                    return nil
                }
                return (entry.replica, found.first { $0.position == position }?.cause)
            }
        }
        for (replica, cause) in changed {
            if cause != nil {
                self.standingChanged(replica, StandingChange(cause: cause))
            } else {
                self.update(replica, why: "ejection over") { _ in }
            }
        }
    }

    /// Whether so many replicas are out that ejections are not heeded.
    public var panics: Bool { self.state.withLock { $0.outliers.panics } }

    // MARK: Silence

    /// A connection of the replica is silent although streams wait on it.
    func stalled(_ replica: Replica) {
        guard !replica.isGone else { return }
        self.metrics.stalled(replica.name, "silent")
        let wasPicked = self.isPicked(replica)
        self.update(replica, why: "silent") { entry in
            entry.stalledConnections += 1
            entry.freshUntilNs = 0
        }
        if wasPicked { self.countFailure(replica) }
        self.wakeProber(of: replica)
    }

    /// It has been heard again, or is closed.
    func resumed(_ replica: Replica) {
        self.update(replica, why: "heard again") { entry in
            precondition(entry.stalledConnections > 0, "a connection resumes once after it stalled")
            entry.stalledConnections -= 1
        }
    }

    /// The replica answers PINGs while its streams wait far longer than they should.
    func forgot(_ replica: Replica) {
        guard !replica.isGone else { return }
        self.metrics.stalled(replica.name, "forgotten")
        self.countFailure(replica)
    }

    /// A stream was ended because the replica let it go without a byte for too long.
    public func countIdleStream(against replica: Replica) { self.countFailure(replica) }

    func lastAnswerNs(of replica: Replica) -> UInt64 { self.entry(of: replica)?.answeredNs ?? 0 }

    /// Whether a stream that leaves these replicas would find a good one.
    public func hasCandidate(besides excluded: [ReplicaID]) -> Bool {
        self.state.withLock { state in
            state.entries.contains { entry in
                guard let entry else { return false }
                return entry.availability.standing == .candidate && !excluded.contains(entry.replica.id)
            }
        }
    }

    // MARK: Freshness

    /// Whether the replica is known to be alive without asking.
    func isFresh(_ replica: Replica, at now: UInt64) -> Bool {
        guard let entry = self.entry(of: replica) else { return false }
        return entry.health.standing == .available && now < entry.freshUntilNs
    }

    /// Notes that a replica which is picked again after it was out is to get its streams little by little. Under the lock.
    func noteReturn(of position: Int, _ availability: Availability, in state: inout State) {
        switch availability {
        case .available:
            guard let entry = state.entries[position], entry.wasLost else { return }
            state.entries[position]?.wasLost = false
            state.table.beginRamp(entry.replica.id, at: Instant(nanoseconds: Loop.now))
        case .unreachable, .stalled, .ejected, .trial, .notLoaded: state.entries[position]?.wasLost = true
        case .unknown, .suspect, .loading, .draining: ()
        }
    }
}

extension Cluster.Entry {
    /// Out for another reason than what its streams tell.
    var isLost: Bool {
        switch self.availability {
        case .unreachable, .notLoaded, .loading, .draining, .stalled: true
        case .available, .unknown, .suspect, .ejected, .trial: false
        }
    }
}
