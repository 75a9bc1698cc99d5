/// Late binding: which of the waiting prompts goes where, and when.
extension ExpectedTTFT {
    /// What is to be done with one of the waiting prompts.
    struct Plan {
        /// In the queue.
        let position: Int
        let choice: Choice
        let cause: DispatchCause
    }

    /// Prompts that are looked at anew in one plan; the others keep what was known of them.
    private static let lookLimit = 256
    /// Later than anything: the start on a replica that may not be given more.
    private static let never = 1e9

    mutating func look(at chain: PrefixChain, _ now: Instant) {
        self.index.match(chain, at: now, into: &self.held)
    }

    mutating func lookAtNothing() {
        for slot in self.held.indices { self.held[slot] = .nothing }
    }

    mutating func setSlots(_ slots: Int, ofSlot slot: Int) { self.loads[slot].slots = slots }

    /// The cheapest candidate, if it is about to be free. All have room.
    mutating func chooseUnlessBusy(among candidates: Span<Candidate>, _ chain: PrefixChain, at now: Instant) -> Choice?
    {
        let choice = self.choose(among: candidates, chain, at: now)
        return self.starts[choice.position] <= self.settings.dispatchAheadMs / 1_000 ? choice : nil
    }

    /// The cheapest candidate, if it has room and is about to be free. Not all have room.
    mutating func chooseBesideFull(among candidates: Span<Candidate>, _ chain: PrefixChain, at now: Instant) -> Choice?
    {
        self.observeWaiting(on: candidates, at: now)
        self.observeStarts(candidates, at: now)
        self.delayFull(candidates)
        let choice = self.cheapest(among: candidates, chain, self.held).choice
        guard candidates[choice.position].hasRoom else { return nil }
        return self.starts[choice.position] <= self.settings.dispatchAheadMs / 1_000 ? choice : nil
    }

    /// Seconds that the prompt takes on the candidate that is best for it.
    func smallestSeconds(
        _ chain: PrefixChain, _ held: ContiguousArray<HeldPrefix>, among candidates: Span<Candidate>
    ) -> Double {
        var smallest = Double.infinity
        for position in candidates.indices {
            let slot = candidates[position].slot
            let work = Work(of: chain, cached: held[slot].bytes)
            smallest = min(smallest, self.model.seconds(work) * self.loads[slot].speed)
        }
        return smallest
    }

    /// Nanoseconds that a prompt may be held back, of which `self.held` tells what is cached: a share of the time until
    /// its first token if it were sent now.
    func patienceNs(_ chain: PrefixChain, among candidates: Span<Candidate>, at now: Instant) -> UInt64 {
        var soonest = Double.infinity
        for position in candidates.indices {
            let (slot, inFlight) = (candidates[position].slot, candidates[position].inFlight)
            let own = self.model.seconds(Work(of: chain, cached: self.held[slot].bytes)) * self.loads[slot].speed
            soonest = min(soonest, own + self.startSeconds(slot: slot, inFlight: inFlight, at: now))
        }
        let seconds = soonest * self.settings.patience(replicas: candidates.count)
        return UInt64(min(max(seconds, 0), 1e6) * 1e9)
    }

    /// Goes through the waiting prompts by turn and gives each its cheapest replica, counting those before it as if they
    /// had been sent. The first one whose replica is about to be free, or that waited long enough, goes now.
    mutating func plan(among candidates: Span<Candidate>, _ queue: inout WaitingQueue, at now: Instant) -> Plan? {
        let ahead = self.settings.dispatchAheadMs / 1_000
        let soonest = self.observeStarts(candidates, at: now)
        self.observeWake(queue, soonest: soonest - ahead, at: now)
        guard soonest < .infinity else { return nil }
        // While nobody is about to be free, only those that waited long enough go.
        guard soonest <= ahead || queue.prompts.contains(where: { $0.latest <= now }) else { return nil }
        self.delayFull(candidates)
        self.arrange(&queue, candidates, at: now)
        for position in queue.sequence where !queue.prompts[position].terms.isRetry {
            let prompt = queue.prompts[position]
            let (choice, seconds) = self.cheapest(among: candidates, prompt.chain, prompt.held)
            if self.starts[choice.position] <= ahead, candidates[choice.position].hasRoom {
                return Plan(position: position, choice: choice, cause: .replicaFree)
            }
            if prompt.latest <= now {
                let choice = self.cheapestWithRoom(among: candidates, prompt)
                // Of prompts that wait only because all are full, it was simply the turn.
                let wantedBetter = prompt.latest > prompt.arrived
                return Plan(position: position, choice: choice, cause: wantedBetter ? .maxWait : .replicaFree)
            }
            self.starts[choice.position] += seconds
        }
        return nil
    }

    /// The cheapest candidate that has room, of which there is one at least.
    private mutating func cheapestWithRoom(among candidates: Span<Candidate>, _ prompt: WaitingPrompt) -> Choice {
        for position in candidates.indices where !candidates[position].hasRoom { self.starts[position] = Self.never }
        return self.cheapest(among: candidates, prompt.chain, prompt.held).choice
    }

    /// Fills `starts`. Returns the soonest on a replica that has room.
    @discardableResult
    private mutating func observeStarts(_ candidates: Span<Candidate>, at now: Instant) -> Double {
        _ = self.readStarts(on: candidates, at: now)
        var soonest = Double.infinity
        let starts = self.starts.span
        for position in candidates.indices where candidates[position].hasRoom {
            soonest = min(soonest, starts[position])
        }
        return soonest
    }

    /// A replica that is full starts nothing before a stream on it ends.
    private mutating func delayFull(_ candidates: Span<Candidate>) {
        for position in candidates.indices where !candidates[position].hasRoom {
            let inFlight = Double(max(1, candidates[position].inFlight))
            let soonest = max(self.settings.dispatchAheadMs / 1_000 + 0.001, self.holdSeconds / inFlight)
            self.starts[position] = max(self.starts[position], soonest)
        }
    }

    /// Looks at the waiting prompts anew and puts them in order.
    private mutating func arrange(_ queue: inout WaitingQueue, _ candidates: Span<Candidate>, at now: Instant) {
        var looks = 0
        for position in 0..<queue.count {
            if queue.prompts[position].seen != self.noteCount, looks < Self.lookLimit {
                looks += 1
                // Taken out and put back, so that nothing is copied.
                var held = ContiguousArray<HeldPrefix>()
                queue.update(position) { swap(&$0.held, &held) }
                while held.count < self.held.count { held.append(.nothing) }
                self.index.match(queue.prompts[position].chain, at: now, into: &held)
                queue.update(position) {
                    swap(&$0.held, &held)
                    $0.seen = self.noteCount
                }
            }
            let own = self.smallestSeconds(
                queue.prompts[position].chain, queue.prompts[position].held, among: candidates)
            queue.update(position) {
                $0.ownSeconds = own
                $0.order = Double($0.arrived.nanoseconds) * 1e-9 + self.settings.waitPerWork * own
            }
        }
        queue.arrange()
    }

    private mutating func observeWake(_ queue: WaitingQueue, soonest: Double, at now: Instant) {
        let soon = now.advanced(byNanoseconds: 1_000_000)
        var wake = now.advanced(byNanoseconds: UInt64(min(max(soonest, 0.001), 10) * 1e9))
        // While every replica is full, nobody goes because the time is up.
        if soonest < .infinity { for prompt in queue.prompts { wake = min(wake, max(prompt.latest, soon)) } }
        // Whole microseconds, so that a caller who counts in those wakes at the same moment.
        self.nextWake = Instant(nanoseconds: (wake.nanoseconds + 999) / 1_000 * 1_000)
    }
}
