public import Routing
import Synchronization
import Transport

/// A replica on its way out, and its end.
extension Cluster {
    /// A replica that leaves.
    struct Departure: Sendable, Equatable {
        /// Different for each time that one leaves.
        let number: UInt64
        let sinceNs: UInt64
        /// When it is gone, whatever is open then.
        var leavesByNs: UInt64
        /// Who names it although an operator took it out.
        let dismissed: [Claim]
        /// What it had.
        let weight: Int
    }

    /// What becomes of a replica that leaves.
    enum LeavingStep: Sendable, Equatable {
        /// Streams are open, and there is time.
        case waits
        /// It leaves no more.
        case stays
        /// It is gone: nothing is picked, leased or learned there any more. What loops keep of it is to be let go.
        case gone(isCut: Bool)
    }

    /// Replicas that are on their way out, with the number of that departure.
    var leaving: [(replica: Replica, departure: UInt64)] {
        self.state.withLock { state in
            state.present.compactMap { entry in entry.departure.map { (entry.replica, $0.number) } }
        }
    }

    /// Whether the replica takes nothing new; true when it is gone.
    func isDraining(_ replica: Replica) -> Bool { self.entry(of: replica)?.isDraining ?? true }

    /// Takes the replica out if its last stream has ended, or its time is over. Leases that are still out come back later.
    func leave(_ replica: Replica, departure: UInt64, at now: UInt64) -> LeavingStep {
        let (step, wake) = self.state.withLock { state -> (LeavingStep, (@Sendable () -> Void)?) in
            guard let place = state.place(of: replica), let entry = state.entries[place],
                let leaves = entry.departure, leaves.number == departure
            else { return (.stays, nil) }
            let isIdle = state.table.inFlight(of: replica.id) == 0
            guard isIdle || now >= leaves.leavesByNs else { return (.waits, nil) }
            state.forget(place)
            // Under the lock, so that nobody of the same name has joined yet.
            self.metrics.forget(replica.name)
            return (.gone(isCut: !isIdle), entry.wake)
        }
        wake?()
        return step
    }
}

extension Cluster.State {
    /// Former names that are kept, for decisions that are looked at later.
    private static let maxFormer = 256

    /// Whoever is in this place is gone, with everything that is known of it.
    fileprivate mutating func forget(_ place: Int) {
        guard let replica = self.replicas[place] else { return }
        replica.left()
        self.table.remove(replica.id)
        self.sticky.forget(replica: replica.id)
        self.outliers.left(place)
        self.entries[place] = nil
        self.replicas[place] = nil
        self.order.removeAll { $0 == place }
        self.queue.forget(place)
        self.former.append((replica.id, replica.name))
        if self.former.count > Self.maxFormer { self.former.removeFirst() }
    }
}

extension Cluster.Entry {
    /// Takes nothing new.
    var isDraining: Bool { self.drainedNs != nil || self.departure != nil }

    var drain: Cluster.Drain? {
        guard self.isDraining else { return nil }
        let since = min(self.drainedNs ?? .max, self.departure?.sinceNs ?? .max)
        return Cluster.Drain(sinceNs: since, leavesByNs: self.departure?.leavesByNs)
    }
}
