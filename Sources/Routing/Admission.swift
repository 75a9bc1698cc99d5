/// Which replicas may get less than the policy would give them: those that have just come back, whose share of new
/// streams grows, and those on trial, which get one stream at a time.
///
/// ```
/// out ──back──► ramping: share of its fair share from 0.1 to 1 over `slow_start_ms` ──► like the others
///   └──half-open──► trial: one stream ──answered──► ramping
/// ```
/// The share is a budget: each pick gives a ramping replica its share ÷ candidates of a stream, and a policy that wants
/// the replica spends one. So it holds for every policy, whatever it goes by. Part of a `ReplicaTable`, under its lock; a
/// value without clock.
struct Admission: Sendable {
    private struct Limit: Sendable {
        let slot: Int
        /// Nil: on trial.
        var ramp: Ramp?
    }

    private struct Ramp: Sendable {
        let began: Instant
        let durationNs: UInt64
        /// Streams that it may get now, at most `mostCredit`.
        var credit = 1.0

        /// 0.1 to 1; 1 means that it is over.
        func share(at now: Instant) -> Double {
            let elapsed = now.nanoseconds(since: self.began)
            guard elapsed < self.durationNs else { return 1 }
            return 0.1 + 0.9 * Double(elapsed) / Double(self.durationNs)
        }
    }

    /// Credit is not saved up: a replica that was not wanted for a while is not owed a burst.
    private static let mostCredit = 2.0

    private var limits: [Limit] = []

    /// Whether nobody is limited, as nearly always.
    var isEmpty: Bool { self.limits.isEmpty }

    /// The replica in `slot` is back.
    mutating func ramp(slot: Int, durationNs: UInt64, at now: Instant) {
        self.lift(slot: slot)
        guard durationNs > 0 else { return }
        self.limits.append(Limit(slot: slot, ramp: Ramp(began: now, durationNs: durationNs)))
    }

    /// The replica in `slot` gets one stream at a time from now on.
    mutating func putOnTrial(slot: Int) {
        self.lift(slot: slot)
        self.limits.append(Limit(slot: slot))
    }

    mutating func lift(slot: Int) { self.limits.removeAll { $0.slot == slot } }

    /// Takes those out of `candidates` that have had their share; all of them stay when nobody else would.
    /// - Parameter earns: a stream has arrived, of which a ramping replica gets its share. False: it waited since.
    mutating func apply(to candidates: inout ContiguousArray<Candidate>, earns: Bool = true, at now: Instant) {
        let count = Double(candidates.count)
        var refused: [Int] = []
        for position in self.limits.indices.reversed() {
            let slot = self.limits[position].slot
            guard let candidate = candidates.first(where: { $0.slot == slot }) else { continue }
            guard var ramp = self.limits[position].ramp else {
                if candidate.inFlight > 0 { refused.append(slot) }
                continue
            }
            let share = ramp.share(at: now)
            if share >= 1 {
                self.limits.remove(at: position)
                continue
            }
            if earns { ramp.credit = min(Self.mostCredit, ramp.credit + share / count) }
            self.limits[position].ramp = ramp
            if ramp.credit < 1 { refused.append(slot) }
        }
        guard !refused.isEmpty, refused.count < candidates.count else { return }
        candidates.removeAll { refused.contains($0.slot) }
    }

    /// The replica in `slot` was chosen.
    mutating func picked(slot: Int) {
        guard let position = self.limits.firstIndex(where: { $0.slot == slot }) else { return }
        if let credit = self.limits[position].ramp?.credit { self.limits[position].ramp?.credit = max(0, credit - 1) }
    }
}

extension ReplicaTable {
    /// The replica is back after it was out: its share of new streams grows over `slow_start_ms`. Nothing happens when it
    /// is gone.
    public mutating func beginRamp(_ replica: ReplicaID, at now: Instant) {
        guard let slot = self.slot(of: replica) else { return }
        self.admission.ramp(slot: slot, durationNs: UInt64(max(0, self.settings.slowStartMs)) * 1_000_000, at: now)
    }

    /// Leaves those out that have had their share, unless all others are full. After `gather`.
    /// - Parameter earns: as in `Admission.apply`.
    mutating func limit(at now: Instant, earns: Bool) {
        guard !self.admission.isEmpty else { return }
        var left = self.candidates
        self.admission.apply(to: &left, earns: earns, at: now)
        if self.isLimiting, !left.contains(where: { $0.hasRoom }), self.candidates.contains(where: { $0.hasRoom }) {
            return
        }
        self.candidates = left
    }
}
