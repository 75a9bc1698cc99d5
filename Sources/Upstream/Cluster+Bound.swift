public import Routing
internal import Synchronization
internal import Transport

/// Picks for calls whose method says where they belong.
extension Cluster {
    /// What says it.
    public enum Bond: Sendable, Equatable {
        /// The replica that an earlier call with this key went to, if it can be picked; else as by prompt, and that one
        /// is remembered.
        case sticky(UInt64)
        /// The one replica that keeps the cluster's stores.
        case primary
        /// Wherever the prompt is, without adding to it.
        case followed
    }

    /// Picks a replica and takes a lease on it, in one step. Nil when there is none.
    public func pick(
        _ bond: Bond, _ chain: PrefixChain, excluding: [ReplicaID], at now: UInt64
    ) -> (Replica, PickDecision)? {
        let instant = Instant(nanoseconds: now)
        let picked = self.state.withLock { state in
            state.withReplica(state.pick(bond, chain, excluding: excluding, at: instant))
        }
        return self.counted(picked, isRetry: !excluding.isEmpty)
    }

    /// The replica of `lease` has what `key` stands for, as its answer says.
    public func remember(_ key: UInt64, _ replica: Replica) {
        self.state.withLock { state in
            if state.place(of: replica) != nil { state.sticky.remember(key, replica.id) }
        }
    }

    /// Whether an earlier call is remembered under this key.
    public func knows(_ key: UInt64) -> Bool {
        self.state.withLock { $0.sticky.replica(of: key) != nil }
    }

    /// Counts a call of ours on a replica, so that routing sees it and LoadModel waits for it.
    func lease(_ replica: Replica) -> Lease {
        self.state.withLock { $0.table.lease(replica.id) }
    }

    /// Stores* requests carry no name of a store that would be worth spreading: a cluster has one primary.
    fileprivate static let storesKey: UInt64 = 0x73_74_6F_72_65_73
}

extension Cluster.State {
    fileprivate mutating func pick(
        _ bond: Cluster.Bond, _ chain: PrefixChain, excluding: [ReplicaID], at instant: Instant
    ) -> PickDecision? {
        switch bond {
        case .primary: return self.table.pickPrimary(of: Cluster.storesKey, excluding: excluding)
        case .followed: return self.table.pickFollowing(chain, excluding: excluding, at: instant)
        case .sticky(let key):
            if let bound = self.sticky.replica(of: key),
                let decision = self.table.pickBound(to: bound, excluding: excluding)
            {
                return decision
            }
            let decision = self.table.pickAndLease(chain, excluding: excluding, answersOnce: true, at: instant)
            if let decision { self.sticky.remember(key, decision.replica) }
            return decision
        }
    }
}
