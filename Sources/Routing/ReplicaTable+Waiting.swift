/// Late binding: while every replica is busy, prompts are held back and placed when one is about to be free.
///
/// Whoever holds prompts calls `nextDispatch` until it returns nil after each `arrive` that held, each `firstResponse`
/// and `release`, and at `wakeAt`.
extension ReplicaTable {
    /// As `pickAndLease`, for a stream that can wait. `id` names it until it is dispatched or withdrawn, and is not that
    /// of another waiting stream. nil when no replica may be chosen.
    package mutating func arrive(_ id: UInt64, _ chain: PrefixChain, at now: Instant) -> PickOutcome? {
        let settings = self.settings.expectedTTFT
        guard self.expected != nil, settings.maxWaitMs > 0, self.waitingCount < settings.maxWaiting else {
            return self.pickAndLease(chain, at: now).map { .picked($0) }
        }
        self.look(at: chain, now)
        self.gather([], hinted: !chain.isEmpty)
        self.limit(at: now)
        guard !self.candidates.isEmpty else { return nil }
        let candidates = self.candidates
        if let choice = self.expected?.chooseUnlessBusy(among: candidates.span, chain, at: now) {
            return .picked(self.commit(choice, chain, at: now))
        }
        let latest = now.advanced(byMilliseconds: UInt64(settings.maxWaitMs))
        self.expected?.hold(id, chain, arrived: now, latest: latest)
        return .hold(until: latest)
    }

    /// The next held prompt that is to be sent now; nil when the others go on waiting.
    package mutating func nextDispatch(at now: Instant) -> Dispatch? {
        guard self.waitingCount > 0 else { return nil }
        self.gather([], hinted: false)
        self.limit(at: now)
        guard !self.candidates.isEmpty else { return self.expected?.giveUp().map { Dispatch(id: $0, decision: nil) } }
        guard let plan = self.plan(at: now) else { return nil }
        let slot = self.candidates[plan.choice.position].slot
        self.candidates[plan.choice.position].matchedBlocks = plan.prompt.held[slot].blocks
        return Dispatch(id: plan.prompt.id, decision: self.commit(plan.choice, plan.prompt.chain, at: now))
    }

    private mutating func plan(at now: Instant) -> ExpectedTTFT.Plan? {
        // The second reference ends here, so that the candidates can be written again without a copy.
        let candidates = self.candidates
        return self.expected?.plan(among: candidates.span, at: now)
    }

    /// The stream does not want a replica any more. Nothing happens when it does not wait.
    package mutating func withdrawWaiting(_ id: UInt64) { self.expected?.withdraw(id) }

    /// When `nextDispatch` is to be asked again even if nothing happens; nil while nobody waits.
    package var wakeAt: Instant? { self.expected?.wakeAt }

    /// Prompts that are held back.
    package var waitingCount: Int { self.expected?.waiting.count ?? 0 }

    /// The stream had its first response. Nothing happens the second time, and for leases of other policies.
    package mutating func firstResponse(_ lease: Lease, at now: Instant) {
        self.expected?.firstResponse(lease, at: now)
    }
}
