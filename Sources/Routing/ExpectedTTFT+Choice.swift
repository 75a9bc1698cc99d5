/// The choice: what the prompt costs on each candidate, and the least of it. All that takes time in proportion to the
/// candidates is here; memory is written in place, and what is the same for all of them is read once.
extension ExpectedTTFT {
    /// Seconds until the replica in `slot` would start one more prompt. Inlined, as what is under it: all of this would be
    /// copied for a few numbers.
    @inline(__always)
    func startSeconds(slot: Int, inFlight: Int, at now: Instant) -> Double {
        self.startTerms(at: now).seconds(self.loads.span[slot], inFlight: inFlight)
    }

    @inline(__always)
    private func startTerms(at now: Instant) -> StartTerms {
        StartTerms(
            model: self.model, lineShare: self.line.share, holdSeconds: self.holdSeconds, slots: self.settings.slots,
            now: now.nanoseconds)
    }

    /// Chooses among `candidates`, of which there is one at least. `self.held` tells what each holds of the prompt.
    mutating func choose(among candidates: Span<Candidate>, _ chain: PrefixChain, at now: Instant) -> Choice {
        let unstarted = self.readStarts(on: candidates, at: now)
        self.observeWaiting(unstarted, candidates.count, at: now)
        return self.cheapest(among: candidates, chain, self.held).choice
    }

    /// Fills `starts`, and returns how many prompts waited on `candidates`. Of those that come next, some may be of streams
    /// that answer once: nobody tells when these have begun, so it is looked up first.
    mutating func readStarts(on candidates: Span<Candidate>, at now: Instant) -> Int {
        // Taken out and put back, so that each is written without a look at who else refers to them.
        var starts = ContiguousArray<Double>()
        swap(&starts, &self.starts)
        if starts.count > candidates.count { starts.removeLast(starts.count - candidates.count) }
        while starts.count < candidates.count { starts.append(0) }
        var room = starts.mutableSpan
        let terms = self.startTerms(at: now)
        let seen = Self.readStarts(self.loads.span, on: candidates, terms, into: &room)
        if seen.hasSilent {
            for position in candidates.indices where room[position] < 0 {
                let slot = candidates[position].slot
                self.passSilent(slot: slot, at: now)
                room[position] = terms.seconds(self.loads.span[slot], inFlight: candidates[position].inFlight)
            }
        }
        swap(&starts, &self.starts)
        return seen.unstarted
    }

    /// Those that are silent are left at less than nothing. Of its parts: a method of the whole would have a copy of it
    /// made, which is half a kilobyte.
    private static func readStarts(
        _ loads: Span<ReplicaLoad>, on candidates: Span<Candidate>, _ terms: StartTerms,
        into room: inout MutableSpan<Double>
    ) -> (unstarted: Int, hasSilent: Bool) {
        var unstarted = 0
        var hasSilent = false
        for position in candidates.indices {
            let slot = candidates[position].slot
            if loads[slot].first >= 0 {
                unstarted += loads[slot].unstartedCount
                guard !loads[slot].headIsSilent else {
                    hasSilent = true
                    room[position] = -1
                    continue
                }
            }
            room[position] = terms.seconds(loads[slot], inFlight: candidates[position].inFlight)
        }
        return (unstarted, hasSilent)
    }

    /// The cheapest candidate, by `self.starts` and what each holds, with its own prefill time.
    @inline(__always)
    func cheapest(
        among candidates: Span<Candidate>, _ chain: PrefixChain, _ held: ContiguousArray<HeldPrefix>
    ) -> (choice: Choice, seconds: Double) {
        let (loads, starts, held) = (self.loads.span, self.starts.span, held.span)
        // Whoever is behind it waits for it too.
        let price = self.settings.price(waiting: self.waitingPerReplica, replicas: candidates.count)
        var best = 0
        var bestCost = Double.infinity
        var bestSeconds = 0.0
        var smallest = Double.infinity
        var most = 0
        // Most of them hold the same, which is mostly nothing.
        var known = held[candidates[0].slot]
        var (reference, charge) = self.seconds(chain, known, price: price)
        for position in candidates.indices {
            let slot = candidates[position].slot
            if held[slot] != known {
                known = held[slot]
                (reference, charge) = self.seconds(chain, known, price: price)
            }
            most = max(most, known.blocks)
            let own = reference * loads[slot].speed
            let cost = starts[position] + own + charge
            smallest = min(smallest, own)
            // Costs that are nearly the same say nothing; the emptier replica then wins.
            let near = max(0.01, 0.02 * smallest)
            var isBetter = cost < bestCost - near
            if !isBetter, cost < bestCost + near {
                isBetter = LeastInFlightPicker.prefers(candidates[position], to: candidates[best])
            }
            if isBetter {
                best = position
                // The reference stays, or many near costs could add up to a far one.
                bestCost = min(bestCost, cost)
                bestSeconds = own
            }
        }
        let blocks = held[candidates[best].slot].blocks
        let diverted = blocks < most
        var reason = chain.isEmpty ? PickReason.leastInFlight : .cold
        if candidates.count == 1 {
            reason = .onlyCandidate
        } else if blocks > 0 {
            reason = .prefixMatch
        } else if diverted {
            reason = .diverted
        }
        return (Choice(position: best, reason: reason, diverted: diverted), bestSeconds)
    }

    /// Seconds of the prompt on the reference replica when so much of it is cached, and what others pay for them. They do
    /// not pay for a head that they share: wherever it is computed, it is there for them as well.
    @inline(__always)
    private func seconds(
        _ chain: PrefixChain, _ held: HeldPrefix, price: Double
    ) -> (reference: Double, charge: Double) {
        let reference = self.model.seconds(Work(of: chain, cached: held.bytes))
        let isShared = held.unsharedBytes != held.bytes
        let unshared = isShared ? self.model.seconds(Work(of: chain, cached: held.unsharedBytes)) : reference
        return (reference, price * unshared)
    }

    /// Follows how many prompts wait for their first response, held back or sent, with a memory of a quarter of a minute.
    private mutating func observeWaiting(_ unstarted: Int, _ candidates: Int, at now: Instant) {
        let waiting = Double(unstarted + self.heldBack) / Double(max(1, candidates))
        let elapsed = self.waitingAt.map { Double(now.nanoseconds(since: $0)) * 1e-9 } ?? 0
        let weight = self.waitingAt == nil ? 1 : elapsed / (elapsed + 15)
        self.waitingPerReplica += weight * (waiting - self.waitingPerReplica)
        self.waitingAt = now
    }

    /// The same where nothing is chosen among all of them.
    mutating func observeWaiting(on candidates: Span<Candidate>, at now: Instant) {
        var unstarted = 0
        for position in candidates.indices { unstarted += self.loads[candidates[position].slot].unstartedCount }
        self.observeWaiting(unstarted, candidates.count, at: now)
    }
}

/// What the start of one more prompt depends on besides the replica.
private struct StartTerms {
    let model: ServiceModel
    let lineShare: Double
    let holdSeconds: Double
    /// Of replicas of which it is not known.
    let slots: Int
    let now: UInt64

    @inline(__always)
    func seconds(_ load: borrowing ReplicaLoad, inFlight: Int) -> Double {
        var seconds = 0.0
        if load.first >= 0 {
            let began = max(load.headSent.nanoseconds, load.lastFirstResponse.nanoseconds)
            // Later than now by a little, as a clock that is read before a lock is taken may have it: less than nothing.
            let elapsed = Double(Int64(bitPattern: self.now &- began)) * 1e-9
            // What the head has left. A prefill that takes longer than it should is not about to end.
            let left = self.model.seconds(load.headWork) * load.speed - max(0, elapsed)
            let rest = self.model.seconds(load.unstarted - load.headWork) * load.speed
            seconds = max(0, rest) + max(left, left * -0.5)
        }
        seconds *= self.lineShare
        let slots = load.slots > 0 ? load.slots : self.slots
        if slots > 0, inFlight >= slots {
            // As many streams must end as stand before this one; one ends every hold ÷ slots on average.
            seconds = max(seconds, Double(inFlight - slots + 1) * self.holdSeconds / Double(slots))
        }
        return seconds
    }
}
