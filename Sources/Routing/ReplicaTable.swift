/// The replicas of one model: who they are, how busy, what their caches are believed to hold, and the pick among them.
/// A value without clock, log or I/O. The proxy keeps it in one mutex per cluster; choosing, counting and noting happen
/// in one call, so that two streams never see the same idle replica.
///
/// A replica has a dense slot for as long as it is here; slots are used again, ids are not. So a lease or an id that is
/// kept for longer names nobody, and what is said about it changes nothing.
public struct ReplicaTable: Sendable {
    /// What is kept of a replica.
    struct Member: Sendable {
        /// As a pick sees it, without what depends on the prompt: taken as it is by each pick.
        var candidate: Candidate
        var availability = Availability.unknown
        var picks: UInt64 = 0
        /// Streams that it works on at a time; zero: not known.
        var slots = 0

        var replica: ReplicaID { self.candidate.replica }
        var inFlight: Int { self.candidate.inFlight }
    }

    public internal(set) var settings: RoutingSettings

    /// By slot; nil when the slot is free.
    var members = ContiguousArray<Member?>() { didSet { self.isGathered = false } }
    /// By slot.
    var names: [String] = []
    /// Slots of the members, in the order in which they joined.
    var order = ContiguousArray<Int>()
    var index: PrefixIndex
    /// What `expected_ttft` knows; nil under another policy.
    public internal(set) var expected: ExpectedTTFT?
    /// Leases that are out for replicas that left.
    public internal(set) var departedInFlight = 0
    /// Who gets less than the policy would give.
    var admission = Admission()

    /// Streams that wait for a replica.
    var queue = WaitingQueue()
    var prefixCachePicker: PrefixCachePicker
    private var random: SplitMix64
    private var nextNumber: UInt32 = 0
    private var pickCount: UInt64 = 0
    private var leaseCount: UInt64 = 0
    /// Who may be chosen in this pick. Kept for their memory, and for the next pick while `isGathered`.
    var candidates = ContiguousArray<Candidate>() { didSet { self.isGathered = false } }
    /// By slot, its position among them, or -1; right while `isGathered`.
    var places = ContiguousArray<Int>()
    /// Whether `candidates` are all that a pick may choose which excludes nobody, as they are now but for its prompt.
    var isGathered = false
    /// Filled anew by each pick; kept for its memory.
    var depths = ContiguousArray<Int>()

    public init(settings: RoutingSettings) {
        self.settings = settings
        self.index = PrefixIndex(capacity: settings.maxIndexBlocks, timeToLiveMs: settings.prefixTtlMs)
        self.prefixCachePicker = PrefixCachePicker(settings)
        self.random = SplitMix64(seed: settings.seed)
        if settings.policy == .expectedTTFT {
            self.expected = ExpectedTTFT(settings: settings.expectedTTFT, maxBlocks: settings.maxIndexBlocks)
        }
    }

    // MARK: - Replicas

    /// Adds a replica, not probed yet. `name` is for people; `weight` breaks ties, the heavier one wins.
    public mutating func add(name: String, weight: Int) -> ReplicaID {
        precondition(self.nextNumber < .max, "a table does not outlive its numbers")
        let replica = ReplicaID(number: self.nextNumber)
        self.nextNumber += 1
        let slot = self.members.firstIndex { $0 == nil } ?? self.members.count
        let member = Member(
            candidate: Candidate(
                replica: replica, nameHash: PrefixChain.salt(model: name), inFlight: 0, lastPick: 0, weight: weight,
                matchedBlocks: 0, cachedBlocks: 0, slot: slot))
        if slot < self.members.count {
            self.members[slot] = member
            self.names[slot] = name
        } else {
            self.members.append(member)
            self.names.append(name)
            self.depths.append(0)
        }
        self.order.append(slot)
        if self.expected != nil {
            self.expected?.joined(slot: slot)
            self.queue.forget(slot: slot)
        }
        return replica
    }

    /// Removes a replica and forgets its cache. Streams on it go on; their leases may come back later. Nothing happens
    /// when it is gone already.
    public mutating func remove(_ replica: ReplicaID) {
        guard let slot = self.slot(of: replica), let member = self.members[slot] else { return }
        self.departedInFlight += member.inFlight
        self.members[slot] = nil
        self.names[slot] = ""
        self.order.removeAll { $0 == slot }
        self.index.forget(slot: slot)
        self.expected?.left(slot: slot)
        self.admission.lift(slot: slot)
    }

    /// Returns what it was before, or nil when the replica is gone: a probe may answer later than that.
    @discardableResult
    public mutating func setAvailability(_ replica: ReplicaID, _ availability: Availability) -> Availability? {
        guard let slot = self.slot(of: replica) else { return nil }
        let before = self.members[slot]?.availability
        self.members[slot]?.availability = availability
        if availability == .trial, before != .trial { self.admission.putOnTrial(slot: slot) }
        if before == .trial, availability != .trial { self.admission.lift(slot: slot) }
        return before
    }

    /// Returns whether the replica had another weight before; false when it is gone.
    public mutating func setWeight(_ replica: ReplicaID, _ weight: Int) -> Bool {
        guard let slot = self.slot(of: replica), self.members[slot]?.candidate.weight != weight else {
            return false
        }
        self.members[slot]?.candidate.weight = weight
        return true
    }

    /// Whether the lease's replica is still here.
    public func holds(_ lease: Lease) -> Bool {
        lease.slot < self.members.count && self.members[lease.slot]?.replica == lease.replica
    }

    /// Where the replica is kept, for tables beside this one; used again when it is gone. nil when it is.
    public func place(of replica: ReplicaID) -> Int? { self.slot(of: replica) }

    /// nil when the replica is gone.
    public func availability(of replica: ReplicaID) -> Availability? {
        self.slot(of: replica).flatMap { self.members[$0]?.availability }
    }

    /// Streams on the replica; zero when it is gone.
    public func inFlight(of replica: ReplicaID) -> Int {
        self.slot(of: replica).flatMap { self.members[$0]?.inFlight } ?? 0
    }

    /// Streams that a pick ever gave to the replica; zero when it is gone.
    public func picks(of replica: ReplicaID) -> UInt64 {
        self.slot(of: replica).flatMap { self.members[$0]?.picks } ?? 0
    }

    /// Forgets what the replica was believed to hold: its process restarted. Not for a lost connection, which a
    /// cache survives.
    public mutating func forgetCache(of replica: ReplicaID) {
        guard let slot = self.slot(of: replica) else { return }
        self.index.forget(slot: slot)
        self.expected?.forgetCache(slot: slot)
    }

    // MARK: - Streams

    /// Chooses a replica for a stream, counts the stream on it and remembers that it gets this prompt. An empty chain
    /// is no hint. Those in `excluding` are not chosen: a stream that is tried again names where it has been. Returns nil
    /// when no replica may be chosen. A full replica is only chosen when all are. One that `answersOnce`, at its end, tells
    /// nothing by `firstResponse`. Allocates nothing once as many replicas and blocks have been seen before.
    public mutating func pickAndLease(
        _ chain: PrefixChain, excluding: [ReplicaID] = [], answersOnce: Bool = false, at now: Instant
    ) -> PickDecision? {
        var decision: PickDecision?
        _ = self.pick(chain, excluding, answersOnce, at: now, into: &decision)
        return decision
    }

    /// The same; `decision` is set when a replica is picked. nil when none may be.
    mutating func pick(
        _ chain: PrefixChain, _ excluding: [ReplicaID], _ answersOnce: Bool, at now: Instant,
        into decision: inout PickDecision?
    ) -> Arrival? {
        self.look(at: chain, now)
        self.gather(excluding, hinted: !chain.isEmpty)
        self.limit(at: now, earns: true)
        guard !self.candidates.isEmpty, let choice = self.chooseWithRoom(chain, at: now) else { return nil }
        self.commit(choice, chain, answersOnce: answersOnce, at: now, into: &decision)
        return .picked
    }

    /// Counts a stream that is sent to this replica without a choice. It is no pick: it takes nobody's turn.
    public mutating func lease(_ replica: ReplicaID) -> Lease {
        let slot = self.slot(of: replica)
        if let slot { self.changeCandidate(slot: slot) { $0.inFlight += 1 } } else { self.departedInFlight += 1 }
        self.leaseCount += 1
        return Lease(replica: replica, serial: self.leaseCount, slot: slot ?? 0, ticket: .nothing, record: -1)
    }

    /// Gives a lease back. Exactly once, also when the replica has left in the meantime. Uses the moment to sweep a
    /// few old blocks out, as nobody waits for it.
    /// - Parameter observation: what the answer said about the work.
    /// - Returns: whether the replica is still here.
    @discardableResult
    public mutating func release(
        _ lease: Lease, _ outcome: LeaseOutcome, _ observation: StreamObservation = .none, at now: Instant
    ) -> Bool {
        let isHere = self.holds(lease)
        if isHere {
            self.changeCandidate(slot: lease.slot) { $0.inFlight -= 1 }
            precondition((self.members[lease.slot]?.inFlight ?? 0) >= 0, "a lease is released once")
        } else {
            self.departedInFlight -= 1
            precondition(self.departedInFlight >= 0, "a lease is released once, also that of a replica that left")
        }
        switch outcome {
        case .served: ()
        case .failedBeforeResponse: self.index.withdraw(lease.ticket)
        }
        self.expected?.ended(lease, observation, failed: outcome == .failedBeforeResponse, at: now)
        self.index.sweep(at: now, limit: 8)
        return isHere
    }

    /// Forgets prefixes that nobody is believed to hold any more: at most `limit` blocks, so that the lock is not held
    /// for long. Returns how many; as many as `limit` means that there may be more.
    @discardableResult
    public mutating func sweep(at now: Instant, limit: Int = 4_096) -> Int {
        self.index.sweep(at: now, limit: limit)
    }

    // MARK: - The pick

    /// Finds out how much of `chain` each replica is believed to hold.
    mutating func look(at chain: PrefixChain, _ now: Instant) {
        guard !chain.isEmpty else { return self.expected?.lookAtNothing() ?? () }
        switch self.settings.policy {
        case .expectedTTFT: self.expected?.look(at: chain, now)
        case .roundRobin, .leastInFlight, .powerOfTwo, .consistentHash, .prefixCache:
            self.index.match(chain, at: now, into: &self.depths)
        }
    }

    mutating func choose(_ chain: PrefixChain, at now: Instant) -> Choice? {
        // A second reference, no copy: a policy that learns writes to the table while it reads them.
        let candidates = self.candidates
        return switch self.settings.policy {
        case .roundRobin:
            RoundRobinPicker().pick(among: candidates.span, promptBlocks: chain.count)
        case .leastInFlight:
            LeastInFlightPicker().pick(among: candidates.span, promptBlocks: chain.count)
        case .powerOfTwo:
            PowerOfTwoPicker(first: self.random.next(), second: self.random.next())
                .pick(among: candidates.span, promptBlocks: chain.count)
        case .consistentHash:
            ConsistentHashPicker(head: chain.hash(ofFirst: self.settings.hashHeadBytes), self.settings.hashLoadBound)
                .pick(among: candidates.span, promptBlocks: chain.count)
        case .prefixCache:
            self.prefixCachePicker.pick(among: candidates.span, promptBlocks: chain.count)
        case .expectedTTFT:
            self.expected?.choose(among: candidates.span, chain, at: now)
        }
    }

    /// Counts the stream on the chosen candidate, and remembers that it gets this prompt.
    mutating func commit(
        _ choice: Choice, _ chain: PrefixChain, answersOnce: Bool, at now: Instant,
        into decision: inout PickDecision?
    ) {
        let chosen = self.candidates[choice.position]
        let loads = CandidateLoads(self.candidates.span, chosen: choice.position)
        let serial = self.countPick(slot: chosen.slot)
        if !self.admission.isEmpty { self.admission.picked(slot: chosen.slot) }
        let sent = self.expected?.sent(
            chain, slot: chosen.slot, inFlight: chosen.inFlight, serial: serial, isSilent: answersOnce,
            at: now)
        let ticket = sent == nil ? self.index.note(chain, slot: chosen.slot, at: now) : .nothing
        decision = PickDecision(
            lease: Lease(
                replica: chosen.replica, serial: serial, slot: chosen.slot, ticket: ticket,
                record: sent?.record ?? -1),
            reason: choice.reason, matchedBlocks: chosen.matchedBlocks, promptBlocks: chain.count,
            matchedBytes: chain.bytes(inFirst: chosen.matchedBlocks), promptBytes: chain.byteCount,
            diverted: choice.diverted, expectedSeconds: sent?.predictedSeconds ?? 0,
            candidates: loads)
    }

    /// The stream is on this replica from now on. Returns the serial of its lease.
    mutating func countPick(slot: Int) -> UInt64 {
        self.pickCount += 1
        self.leaseCount += 1
        let pick = self.pickCount
        self.changeCandidate(slot: slot, picks: 1) { candidate in
            candidate.lastPick = pick
            candidate.inFlight += 1
        }
        return self.leaseCount
    }

    func slot(of replica: ReplicaID) -> Int? {
        self.order.first { self.members[$0]?.replica == replica }
    }
}
