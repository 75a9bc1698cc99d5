/// Picks for calls whose method says where they belong. They count as streams; no prompt is noted, since none is computed.
extension ReplicaTable {
    /// The replica that has what the call is about, if it may be picked at all. Nil when it is gone, out, or excluded.
    public mutating func pickBound(to replica: ReplicaID, excluding: [ReplicaID] = []) -> PickDecision? {
        guard let slot = self.slot(of: replica), let member = self.members[slot],
            member.availability.standing != .out, !excluding.contains(replica)
        else { return nil }
        return self.commit(slot: slot, .sticky)
    }

    /// The first in an order of the replicas that only depends on `key` and their names, so that it is the same after a
    /// restart and when others come and go (rendezvous hashing: Thaler and Ravishankar, 1998). One that is a last resort
    /// keeps its place: what it holds is nowhere else. Nil when none may be picked.
    public mutating func pickPrimary(of key: UInt64, excluding: [ReplicaID] = []) -> PickDecision? {
        var best: (slot: Int, score: UInt64)?
        for slot in self.order {
            guard let member = self.members[slot], member.availability.standing != .out,
                !excluding.contains(member.replica)
            else { continue }
            let score = PrefixChain.digest(Array(self.names[slot].utf8), seed: key)
            if let other = best, other.score >= score { continue }
            best = (slot, score)
        }
        return best.map { self.commit(slot: $0.slot, .primary) }
    }

    /// The replica that holds the longest part of `chain`, or else the one with the fewest streams. For calls that look
    /// at a prompt without computing it.
    public mutating func pickFollowing(
        _ chain: PrefixChain, excluding: [ReplicaID] = [], at now: Instant
    ) -> PickDecision? {
        self.look(at: chain, now)
        self.gather(excluding, hinted: !chain.isEmpty)
        guard !self.candidates.isEmpty else { return nil }
        var best = 0
        for position in 1..<max(1, self.candidates.count) {
            let (one, other) = (self.candidates[position], self.candidates[best])
            if (one.matchedBlocks, -one.inFlight, other.lastPick) > (other.matchedBlocks, -other.inFlight, one.lastPick)
            {
                best = position
            }
        }
        let chosen = self.candidates[best]
        return self.commit(
            slot: chosen.slot, chosen.matchedBlocks > 0 ? .followed : .leastInFlight,
            matchedBlocks: chosen.matchedBlocks, of: chain)
    }

    private mutating func commit(
        slot: Int, _ reason: PickReason, matchedBlocks: Int = 0, of chain: PrefixChain? = nil
    ) -> PickDecision {
        guard let member = self.members[slot] else { preconditionFailure("a slot of `order` has a member") }
        let serial = self.countPick(slot: slot)
        return PickDecision(
            lease: Lease(replica: member.replica, serial: serial, slot: slot, ticket: .nothing, record: -1),
            reason: reason,
            matchedBlocks: matchedBlocks, promptBlocks: chain?.count ?? 0,
            matchedBytes: chain?.bytes(inFirst: matchedBlocks) ?? 0, promptBytes: chain?.byteCount ?? 0,
            diverted: false, expectedSeconds: 0)
    }
}
