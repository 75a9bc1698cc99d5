/// Limits: how many streams a replica is given at a time.
extension ReplicaTable {
    /// Whether a replica may be full.
    var isLimiting: Bool { self.settings.admission.isLimiting }

    /// The replica works on as many streams at a time, as far as is known; zero: not known. Nothing happens when it is
    /// gone.
    public mutating func setSlots(_ replica: ReplicaID, _ slots: Int) {
        guard let slot = self.slot(of: replica) else { return }
        self.members[slot]?.slots = max(0, slots)
        self.expected?.setSlots(max(0, slots), ofSlot: slot)
    }

    /// Most streams that a replica is given; `Int.max` without a limit.
    func limit(of member: Member) -> Int {
        switch self.settings.admission.maxInFlight {
        case .off: .max
        case .streams(let count): max(1, count)
        case .slots: member.slots > 0 ? member.slots : .max
        }
    }

    /// Most streams that the replica is given; zero when that is not limited, or the replica is gone.
    public func limit(of replica: ReplicaID) -> Int {
        guard let slot = self.slot(of: replica), let member = self.members[slot] else { return 0 }
        let limit = self.limit(of: member)
        return limit == .max ? 0 : limit
    }

    /// Chooses among the candidates that have room; among all when none has. Of those left out the choice may have been
    /// the better home.
    mutating func chooseWithRoom(_ chain: PrefixChain, at now: Instant) -> Choice? {
        guard self.isLimiting, self.candidates.contains(where: { $0.hasRoom }) else {
            return self.choose(chain, at: now)
        }
        var deepestFull = 0
        for candidate in self.candidates where !candidate.hasRoom {
            deepestFull = max(deepestFull, candidate.matchedBlocks)
        }
        self.candidates.removeAll { !$0.hasRoom }
        guard var choice = self.choose(chain, at: now) else { return nil }
        if self.settings.policy.readsPrompts, deepestFull > self.candidates[choice.position].matchedBlocks {
            choice.diverted = true
            if choice.reason == .cold { choice.reason = .diverted }
        }
        return choice
    }
}
