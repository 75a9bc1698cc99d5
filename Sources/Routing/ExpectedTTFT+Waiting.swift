/// The prompts that are held back, and in which order they go.
extension ExpectedTTFT {
    /// What is to be done with one of the waiting prompts, which waits no longer.
    struct Plan {
        let prompt: WaitingPrompt
        let choice: Choice
    }

    mutating func look(at chain: PrefixChain, _ now: Instant) {
        self.index.match(chain, at: now, into: &self.held)
    }

    mutating func lookAtNothing() {
        for slot in self.held.indices { self.held[slot] = .nothing }
    }

    /// The cheapest candidate, if it is about to be free and nobody waits.
    mutating func chooseUnlessBusy(among candidates: Span<Candidate>, _ chain: PrefixChain, at now: Instant) -> Choice?
    {
        let choice = self.choose(among: candidates, chain, at: now)
        let isFree = self.starts[choice.position] <= self.settings.dispatchAheadMs / 1_000
        return self.waiting.isEmpty && isFree ? choice : nil
    }

    /// Holds a prompt that was just looked at.
    mutating func hold(_ id: UInt64, _ chain: PrefixChain, arrived: Instant, latest: Instant) {
        self.waiting.append(
            WaitingPrompt(
                id: id, chain: chain, arrived: arrived, latest: latest, held: self.held, seen: self.noteCount))
    }

    mutating func withdraw(_ id: UInt64) {
        self.waiting.removeAll { $0.id == id }
    }

    /// Lets go of one waiting prompt, since there is no replica for any.
    mutating func giveUp() -> UInt64? { self.waiting.popLast()?.id }

    /// Goes through the waiting prompts in their order and gives each its cheapest replica, counting those before it as
    /// if they had been sent. The first one whose replica is about to be free, or that waited long enough, goes now.
    mutating func plan(among candidates: Span<Candidate>, at now: Instant) -> Plan? {
        self.starts.removeAll(keepingCapacity: true)
        let ahead = self.settings.dispatchAheadMs / 1_000
        var soonest = Double.infinity
        for position in candidates.indices {
            let candidate = candidates[position]
            self.passSilent(slot: candidate.slot, at: now)
            let start = self.startSeconds(slot: candidate.slot, inFlight: candidate.inFlight, at: now)
            self.starts.append(start)
            soonest = min(soonest, start)
        }
        self.observeWake(soonest: soonest - ahead, at: now)
        // While nobody is about to be free, only those that waited long enough go.
        guard soonest <= ahead || self.waiting.contains(where: { $0.latest <= now }) else { return nil }
        self.arrange(candidates, at: now)
        for position in self.waiting.indices {
            let (choice, seconds) = self.cheapest(
                among: candidates, self.waiting[position].chain, self.waiting[position].held)
            if self.starts[choice.position] <= ahead || self.waiting[position].latest <= now {
                return Plan(prompt: self.waiting.remove(at: position), choice: choice)
            }
            self.starts[choice.position] += seconds
        }
        return nil
    }

    /// Looks at the waiting prompts anew and puts them in order.
    private mutating func arrange(_ candidates: Span<Candidate>, at now: Instant) {
        for position in self.waiting.indices {
            if self.waiting[position].seen != self.noteCount {
                while self.waiting[position].held.count < self.held.count {
                    self.waiting[position].held.append(.nothing)
                }
                self.index.match(self.waiting[position].chain, at: now, into: &self.waiting[position].held)
                self.waiting[position].seen = self.noteCount
            }
            let chain = self.waiting[position].chain
            var smallest = Double.infinity
            for index in candidates.indices {
                let slot = candidates[index].slot
                let cached = self.waiting[position].held[slot].bytes
                let work = Work(promptBytes: chain.byteCount, cachedBytes: cached)
                smallest = min(smallest, self.model.seconds(work) * self.loads[slot].speed)
            }
            self.waiting[position].order =
                Double(self.waiting[position].arrived.nanoseconds) * 1e-9 + self.settings.waitPerWork * smallest
            // Insertion: they were in order a moment ago, and orders change little.
            var place = position
            while place > 0, self.waiting[place - 1].order > self.waiting[place].order {
                self.waiting.swapAt(place - 1, place)
                place -= 1
            }
        }
    }

    private mutating func observeWake(soonest: Double, at now: Instant) {
        let nanoseconds = UInt64(min(max(soonest, 0.001), 10) * 1e9)
        var wake = now.advanced(byNanoseconds: nanoseconds)
        for prompt in self.waiting { wake = min(wake, max(prompt.latest, now.advanced(byNanoseconds: 1_000_000))) }
        // Whole microseconds, so that a caller who counts in those wakes at the same moment.
        self.nextWake = Instant(nanoseconds: (wake.nanoseconds + 999) / 1_000 * 1_000)
    }

    var wakeAt: Instant? { self.waiting.isEmpty ? nil : self.nextWake }
}
