/// Holding back: while no replica may take a stream, or every one has enough to do, streams wait here and are placed when
/// a replica has room or is about to be free.
///
/// ```
/// arrive ──► picked                          two reasons to hold:   every replica is full (any policy)
///    ├─────► held ──nextDispatch──► sent                            the best one is busy (expected_ttft)
///    └─────► refused      └───────► refused, no replica
/// ```
/// Whoever holds streams calls `nextDispatch` until it returns nil after each `arrive` that held, each `firstResponse`
/// and `release`, each change of a replica, and at `wakeAt`.
extension ReplicaTable {
    /// As `pickAndLease`, for a stream that can wait. `id` names it until it is dispatched or withdrawn, and is not that
    /// of another waiting stream. `terms` is asked only when it has to wait. nil when no replica may be chosen.
    public mutating func arrive(
        _ id: UInt64, _ chain: PrefixChain, excluding: [ReplicaID] = [], answersOnce: Bool = false, at now: Instant,
        terms: () -> WaitTerms = { WaitTerms() }
    ) -> PickOutcome? {
        var decision: PickDecision?
        let arrival = self.arrive(
            id, chain, excluding: excluding, answersOnce: answersOnce, at: now, into: &decision, terms: terms)
        return switch arrival {
        case .picked?: decision.map { .picked($0) }
        case .hold(let latest)?: .hold(until: latest)
        case .refused(let refusal)?: .refused(refusal)
        case nil: nil
        }
    }

    /// The same; `decision` is set when a replica is picked.
    public mutating func arrive(
        _ id: UInt64, _ chain: PrefixChain, excluding: [ReplicaID], answersOnce: Bool, at now: Instant,
        into decision: inout PickDecision?, terms: () -> WaitTerms
    ) -> Arrival? {
        let bindsLate = self.bindsLate(chain)
        guard self.isLimiting || bindsLate else {
            return self.pick(chain, excluding, answersOnce, at: now, into: &decision)
        }
        self.look(at: chain, now)
        self.gather(excluding, hinted: !chain.isEmpty)
        self.limit(at: now, earns: true)
        guard !self.candidates.isEmpty else { return nil }
        self.expected?.heldBack = self.queue.count
        if self.queue.isEmpty, let choice = self.chooseAtOnce(chain, bindsLate: bindsLate, at: now) {
            self.commit(choice, chain, answersOnce: answersOnce, at: now, into: &decision)
            return .picked
        }
        let candidates = self.candidates
        if !self.queue.isEmpty { self.expected?.observeWaiting(on: candidates.span, at: now) }
        let terms = terms()
        let hasRoom = self.candidates.contains { $0.hasRoom }
        let isFull = self.queue.count >= self.settings.admission.maxWaiting && !terms.isRetry
        if !terms.mayWait || terms.isRetry && hasRoom || isFull && (hasRoom || !self.isLimiting) {
            return self.pick(chain, excluding, answersOnce, at: now, into: &decision)
        }
        if bindsLate, hasRoom, self.expected?.looksWhatHappens() ?? false {
            return self.pick(chain, excluding, answersOnce, at: now, into: &decision)
        }
        if isFull { return .refused(QueueRefusal(cause: .full, retryAfterMs: self.queue.retryAfterMs)) }
        let ownSeconds = self.ownSeconds(chain)
        if self.isLimiting, self.isTooLate(terms, ownSeconds, at: now) {
            return .refused(QueueRefusal(cause: .deadline, retryAfterMs: self.queue.retryAfterMs))
        }
        let latest = self.latest(terms, chain, ownSeconds, bindsLate: bindsLate, at: now)
        let limit = UInt64(self.settings.admission.maxWaitMs)
        self.queue.append(
            WaitingPrompt(
                id: id, chain: chain, terms: terms, answersOnce: answersOnce, excluded: excluding, arrived: now,
                latest: latest, refuseAt: self.isLimiting ? now.advanced(byMilliseconds: limit) : nil,
                held: self.expected?.held ?? [], seen: self.expected?.noteCount ?? 0, ownSeconds: ownSeconds),
            at: now)
        return .hold(until: latest)
    }

    /// The next held stream that is to be sent now, or will never be; nil when the others go on waiting.
    public mutating func nextDispatch(at now: Instant) -> Dispatch? {
        guard !self.queue.isEmpty else { return nil }
        if let dispatch = self.dispatchRetry(at: now) { return dispatch }
        self.gather([], hinted: false)
        guard !self.candidates.isEmpty else {
            let prompt = self.queue.remove(at: self.queue.count - 1)
            return Dispatch(prompt, nil, .noReplica, at: now)
        }
        self.limit(at: now, earns: false)
        let next = self.expected == nil ? self.dispatchInTurn(at: now) : self.dispatchPlanned(at: now)
        if let next { return next }
        if let dispatch = self.refuseOverdue(at: now) { return dispatch }
        self.setWake(at: now)
        return nil
    }

    /// The stream does not want a replica any more. Nothing happens when it does not wait.
    public mutating func withdrawWaiting(_ id: UInt64) { self.queue.withdraw(id) }

    /// When `nextDispatch` is to be asked again even if nothing happens; nil while nobody waits.
    public var wakeAt: Instant? { self.queue.isEmpty ? nil : self.queue.wakeAt }

    /// Streams that are held back.
    public var waitingCount: Int { self.queue.count }

    /// The stream had its first response. Nothing happens the second time, and for leases of other policies.
    /// Returns whether the replica is still here.
    @discardableResult
    public mutating func firstResponse(_ lease: Lease, at now: Instant) -> Bool {
        self.expected?.firstResponse(lease, at: now)
        return self.holds(lease)
    }

    // MARK: - Arriving

    /// Whether a prompt may be held although replicas have room.
    private mutating func bindsLate(_ chain: PrefixChain) -> Bool {
        self.settings.expectedTTFT.maxWaitMs > 0 && !chain.isEmpty && self.expected?.standsInLine() ?? false
    }

    /// A candidate for a stream before which nobody waits; nil when it should wait.
    private mutating func chooseAtOnce(_ chain: PrefixChain, bindsLate: Bool, at now: Instant) -> Choice? {
        let allHaveRoom = self.candidates.allSatisfy { $0.hasRoom }
        if !bindsLate {
            guard allHaveRoom || self.candidates.contains(where: { $0.hasRoom }) else { return nil }
            return self.chooseWithRoom(chain, at: now)
        }
        // A second reference, no copy: the policy writes to the table while it reads them.
        let candidates = self.candidates
        return allHaveRoom
            ? self.expected?.chooseUnlessBusy(among: candidates.span, chain, at: now)
            : self.expected?.chooseBesideFull(among: candidates.span, chain, at: now)
    }

    /// Seconds that the prompt takes on the candidate that is best for it.
    private func ownSeconds(_ chain: PrefixChain) -> Double {
        guard let expected = self.expected else { return Self.plainModel.seconds(Work(of: chain, cached: 0)) }
        return expected.smallestSeconds(chain, expected.held, among: self.candidates.span)
    }

    /// What policies that learn nothing take a prompt's work for, so that callers share by it.
    private static let plainModel = ServiceModel(overheadSeconds: 0.02, secondsPerToken: 1.0 / 6_000)

    /// Whether its deadline is sure to pass before the answer could begin.
    private func isTooLate(_ terms: WaitTerms, _ ownSeconds: Double, at now: Instant) -> Bool {
        guard let deadline = terms.deadline else { return false }
        let left = Double(deadline.nanoseconds(since: now)) * 1e-9
        var needed = self.queue.seconds(untilLeft: self.queue.rank(ofCaller: terms.caller)) ?? 0
        // What is not known well is no reason to refuse.
        if let expected = self.expected, expected.model.samples >= 20 {
            needed += ownSeconds * max(0, 1 - 2 * expected.model.relativeError)
        }
        return needed > left
    }

    private func latest(
        _ terms: WaitTerms, _ chain: PrefixChain, _ ownSeconds: Double, bindsLate: Bool, at now: Instant
    ) -> Instant {
        guard bindsLate, !terms.isRetry else { return now }
        var latest = now.advanced(byMilliseconds: UInt64(self.settings.expectedTTFT.maxWaitMs))
        if let expected = self.expected {
            let patience = expected.patienceNs(chain, among: self.candidates.span, at: now)
            latest = min(latest, now.advanced(byNanoseconds: patience))
        }
        guard let deadline = terms.deadline else { return latest }
        // Waiting for a better moment must not be what makes it late.
        let own = UInt64(min(max(ownSeconds, 0), 1e6) * 2e9)
        let left = deadline.nanoseconds(since: now)
        return min(latest, now.advanced(byNanoseconds: left > own ? left - own : 0))
    }

    // MARK: - Leaving

    /// The first stream whose replica failed before, if one that it was not at has room.
    private mutating func dispatchRetry(at now: Instant) -> Dispatch? {
        for position in 0..<self.queue.count where self.queue.prompts[position].terms.isRetry {
            let prompt = self.queue.prompts[position]
            self.look(at: prompt.chain, now)
            self.gather(prompt.excluded, hinted: !prompt.chain.isEmpty)
            guard !self.candidates.isEmpty else {
                self.queue.remove(at: position)
                return Dispatch(prompt, nil, .noReplica, at: now)
            }
            guard self.candidates.contains(where: { $0.hasRoom }),
                let choice = self.chooseWithRoom(prompt.chain, at: now)
            else { continue }
            return self.send(position, choice, .retry, at: now)
        }
        return nil
    }

    /// The policy's choice for whoever's turn it is, if a replica has room.
    private mutating func dispatchInTurn(at now: Instant) -> Dispatch? {
        guard self.candidates.contains(where: { $0.hasRoom }) else { return nil }
        for position in 0..<self.queue.count {
            self.queue.update(position) { $0.order = Double($0.arrived.nanoseconds) * 1e-9 }
        }
        self.queue.arrange()
        guard let position = self.queue.sequence.first(where: { !self.queue.prompts[$0].terms.isRetry }) else {
            return nil
        }
        let chain = self.queue.prompts[position].chain
        self.look(at: chain, now)
        self.gather([], hinted: !chain.isEmpty)
        self.limit(at: now, earns: false)
        guard let choice = self.chooseWithRoom(chain, at: now) else { return nil }
        return self.send(position, choice, .replicaFree, at: now)
    }

    private mutating func dispatchPlanned(at now: Instant) -> Dispatch? {
        // The second reference ends here, so that the candidates can be written again without a copy.
        let candidates = self.candidates
        guard let plan = self.expected?.plan(among: candidates.span, &self.queue, at: now) else { return nil }
        let slot = candidates[plan.choice.position].slot
        self.candidates[plan.choice.position].matchedBlocks = self.queue.prompts[plan.position].held[slot].blocks
        return self.send(plan.position, plan.choice, plan.cause, at: now)
    }

    private mutating func send(
        _ position: Int, _ choice: Choice, _ cause: DispatchCause, at now: Instant
    ) -> Dispatch {
        let prompt = self.queue.dispatch(at: position, now)
        var decision: PickDecision?
        self.commit(choice, prompt.chain, answersOnce: prompt.answersOnce, at: now, into: &decision)
        return Dispatch(prompt, decision, cause, at: now)
    }

    private mutating func refuseOverdue(at now: Instant) -> Dispatch? {
        guard
            let position = self.queue.prompts.firstIndex(where: { prompt in prompt.refuseAt.map { $0 <= now } ?? false }
            )
        else { return nil }
        let refusal = QueueRefusal(cause: .waitedTooLong, retryAfterMs: self.queue.retryAfterMs)
        return Dispatch(self.queue.remove(at: position), nil, .refused, refusal, at: now)
    }

    private mutating func setWake(at now: Instant) {
        var wake = self.expected == nil ? nil : self.expected?.nextWake
        for prompt in self.queue.prompts {
            if let refuseAt = prompt.refuseAt { wake = min(wake ?? refuseAt, refuseAt) }
        }
        self.queue.wakeAt = wake
    }
}

extension Dispatch {
    init(
        _ prompt: WaitingPrompt, _ decision: PickDecision?, _ cause: DispatchCause, _ refusal: QueueRefusal? = nil,
        at now: Instant
    ) {
        self.init(
            id: prompt.id, decision: decision, refusal: refusal, cause: cause,
            waitedNs: now.nanoseconds(since: prompt.arrived))
    }
}

extension Work {
    init(of chain: PrefixChain, cached: Int) { self.init(promptBytes: chain.byteCount, cachedBytes: cached) }
}
