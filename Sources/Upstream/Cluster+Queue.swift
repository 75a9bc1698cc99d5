public import Routing
import Synchronization
import Telemetry
public import Transport

/// The streams that wait for a replica of this cluster. Who goes next is the table's decision, under the cluster's lock;
/// what was decided is handed over outside of it, to the loop of the stream that waits.
///
/// ```
/// pickOrWait ──► picked, refused, none
///      └──► waits ──release, first response, a replica's change, the timer──► waiter(outcome) ──► the stream's loop
///             └──withdraw──► gone         a lease that comes too late is given back by giveBack
/// ```
extension Cluster {
    /// What becomes of a stream that asks for a replica.
    public enum PickResult: Sendable {
        case picked(Replica)
        /// It waits under this number; its waiter hears how that ends, unless it is withdrawn before.
        case waits(UInt64)
        case refused(QueueRefusal)
        /// There is no replica at all.
        case none
    }

    /// How waiting ended.
    public enum WaitOutcome: Sendable {
        case picked(Replica, PickDecision)
        case refused(QueueRefusal)
        case noReplica
    }

    /// Called once, on any thread, not under the lock.
    public typealias Waiter = @Sendable (WaitOutcome) -> Void

    /// What the cluster keeps of its queue besides the table's part.
    struct Queue: Sendable {
        var lastNumber: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]
        /// The loop whose timer wakes the queue: that of the stream that was held last.
        var loop: Loop?
        /// When the timer fires; `UInt64.max` when none is set.
        var armedNs = UInt64.max
        /// By place of the replica, leases that no loop has heard of yet. Empty while nobody waits.
        var underWay: [Int] = []

        /// The replica in this place is gone.
        mutating func forget(_ place: Int) {
            if place < self.underWay.count { self.underWay[place] = 0 }
        }
    }

    /// What was decided for a stream that waited, with the replica that it goes to, if it does.
    struct Turn: Sendable {
        var dispatch: Dispatch
        var replica: Replica?
    }

    /// What is left to do when the lock has been given back.
    struct Handover: Sendable {
        fileprivate var entries: [Entry] = []
        /// The turn of the stream that asks, which is told at once. One at most: a turn is large, and a handover comes with
        /// every end of a stream, nearly always as nil.
        fileprivate var own: [Turn] = []
        /// A timer to be set.
        fileprivate var timer: (loop: Loop, atNs: UInt64)?

        fileprivate struct Entry: Sendable {
            var waiter: Waiter
            var turn: Turn
        }
    }

    // MARK: Waiting

    /// As `pick`, for a stream that may wait.
    /// - Parameters:
    ///   - loop: the stream's own.
    ///   - terms: asked only if it has to wait, under the lock.
    ///   - decision: set when a replica is picked; in place, since it is large and made for every call.
    ///   - waiter: made only if it has to wait, from the number that it waits under.
    public func pickOrWait(
        _ chain: PrefixChain, excluding: [ReplicaID], answersOnce: Bool, on loop: Loop, at now: UInt64,
        decision: inout PickDecision?, terms: () -> WaitTerms, waiter: (UInt64) -> Waiter
    ) -> PickResult {
        let instant = Instant(nanoseconds: now)
        var handover: Handover?
        let result = self.state.withLock { state -> PickResult in
            let number = state.queue.lastNumber + 1
            let arrival = state.table.arrive(
                number, chain, excluding: excluding, answersOnce: answersOnce, at: instant, into: &decision,
                terms: terms)
            switch arrival {
            case .picked?:
                guard let slot = decision?.lease.slot else { preconditionFailure("a pick says what was picked") }
                return .picked(state.replica(in: slot))
            case .refused(let refusal)?: return .refused(refusal)
            case nil: return .none
            case .hold?: ()
            }
            state.queue.lastNumber = number
            state.queue.waiters[number] = waiter(number)
            state.queue.loop = loop
            handover = state.takeReady(at: instant, own: number)
            return .waits(number)
        }
        switch result {
        case .picked:
            if let reason = decision?.reason, let diverted = decision?.diverted {
                self.countPick(reason, diverted: diverted, isRetry: !excluding.isEmpty)
            }
        case .none: self.metrics.noReplica.add()
        case .refused(let refusal): self.metrics.queue.refused(refusal.cause)
        case .waits:
            if excluding.isEmpty { self.retryBudget.earn() }
            self.hand(over: handover)
            guard let own = handover?.own.first else { break }
            switch self.outcome(of: own) {
            case .picked(let replica, let picked):
                decision = picked
                return .picked(replica)
            case .refused(let refusal): return .refused(refusal)
            case .noReplica: return .none
            }
        }
        return result
    }

    /// The stream waits no longer. What was decided for it a moment before still reaches its waiter.
    public func withdraw(_ number: UInt64) {
        self.state.withLock { state in
            state.queue.waiters[number] = nil
            state.table.withdrawWaiting(number)
        }
    }

    /// Gives back the lease of a stream that was gone when it arrived: the replica never heard of it.
    public func giveBack(_ lease: Lease) {
        let handover = self.state.withLock { state in
            let now = Instant(nanoseconds: Loop.now)
            state.table.release(lease, .failedBeforeResponse, at: now)
            return state.takeReady(at: now)
        }
        self.hand(over: handover)
    }

    /// Looks whether somebody who waits can go. For whoever changed something about the replicas.
    func dispatchWaiting() {
        self.hand(over: self.state.withLock { $0.takeReady(at: Instant(nanoseconds: Loop.now)) })
    }

    /// Streams that wait now.
    public var waitingCount: Int { self.state.withLock { $0.table.waitingCount } }

    /// The replica works on as many streams at a time, as the options of its model say; nil: they do not say.
    func setSlots(of replica: Replica, _ slots: Int?) {
        self.state.withLock { $0.table.setSlots(replica.id, slots ?? 0) }
        self.dispatchWaiting()
    }

    // MARK: Handing over

    /// Tells the streams whose waiting is over, and sets the timer. Not under the lock.
    func hand(over handover: Handover?) {
        guard let handover else { return }
        for entry in handover.entries { entry.waiter(self.outcome(of: entry.turn)) }
        if !handover.entries.isEmpty { self.state.withLock { $0.arrived(handover) } }
        guard let timer = handover.timer else { return }
        let now = Loop.now
        timer.loop.schedule(after: timer.atNs > now ? timer.atNs - now : 0) {
            // Strong, for a weak reference would make every later count of references to the cluster a slow one.
            self.timerFired(timer.atNs)
        }
    }

    private func timerFired(_ atNs: UInt64) {
        let handover = self.state.withLock { state in
            // Another one that is due earlier may have been set since; then this one changes nothing.
            if state.queue.armedNs == atNs { state.queue.armedNs = .max }
            return state.takeReady(at: Instant(nanoseconds: max(atNs, Loop.now)))
        }
        self.hand(over: handover)
    }

    /// Counts what became of a stream that waited.
    private func outcome(of turn: Turn) -> WaitOutcome {
        let dispatch = turn.dispatch
        self.metrics.queue.left(dispatch.cause, afterNs: dispatch.waitedNs)
        if let decision = dispatch.decision, let replica = turn.replica {
            self.metrics.picked(decision.reason, diverted: decision.diverted)
            return .picked(replica, decision)
        }
        guard let refusal = dispatch.refusal else {
            self.metrics.noReplica.add()
            return .noReplica
        }
        self.metrics.queue.refused(refusal.cause)
        return .refused(refusal)
    }
}

extension Cluster.State {
    /// Everybody who can go now; nil while nobody waits.
    /// - Parameter number: of a stream whose turn is told to the caller and not to its waiter; zero for none.
    mutating func takeReady(at now: Instant, own number: UInt64 = 0) -> Cluster.Handover? {
        guard self.table.waitingCount > 0 else { return nil }
        var handover = Cluster.Handover()
        while let dispatch = self.table.nextDispatch(at: now) {
            let waiter = self.queue.waiters.removeValue(forKey: dispatch.id)
            let replica = dispatch.decision.map { self.replica(in: $0.lease.slot) }
            let turn = Cluster.Turn(dispatch: dispatch, replica: replica)
            if dispatch.id == number {
                handover.own = [turn]
            } else if let waiter {
                handover.entries.append(Cluster.Handover.Entry(waiter: waiter, turn: turn))
                self.count(dispatch, underWay: 1)
            }
        }
        if let wake = self.table.wakeAt?.nanoseconds, wake < self.queue.armedNs, let loop = self.queue.loop {
            self.queue.armedNs = wake
            handover.timer = (loop, wake)
        }
        return handover
    }

    /// The loops of these streams have been told.
    fileprivate mutating func arrived(_ handover: Cluster.Handover) {
        for entry in handover.entries { self.count(entry.turn.dispatch, underWay: -1) }
    }

    private mutating func count(_ dispatch: Dispatch, underWay amount: Int) {
        // One that is gone takes its count with it.
        guard let lease = dispatch.decision?.lease, self.table.holds(lease) else { return }
        while self.queue.underWay.count < self.entries.count { self.queue.underWay.append(0) }
        self.queue.underWay[lease.slot] += amount
    }

    /// Leases of a replica that no loop has heard of yet.
    func underWay(_ position: Int) -> Int {
        position < self.queue.underWay.count ? self.queue.underWay[position] : 0
    }
}
