/// What streams tell when they have their first response, and when they end.
extension ExpectedTTFT {
    /// The stream had its first response now.
    mutating func firstResponse(_ lease: Lease, at now: Instant) {
        guard self.knows(lease) else { return }
        let record = self.records[Int(lease.record)]
        guard !record.isStarted, !record.isSilent else { return }
        let isHead = self.loads[record.slot].first == lease.record
        // Started later and answered earlier: those before it did not stand in line.
        var older = record.older
        while older >= 0 {
            self.records[Int(older)].overtaken = true
            older = self.records[Int(older)].older
        }
        let isSideBySide = self.line.isSideBySide
        let began = isSideBySide ? record.sent : max(record.sent, self.loads[record.slot].lastFirstResponse)
        self.unlink(lease.record)
        self.records[Int(lease.record)].isStarted = true
        self.loads[record.slot].lastFirstResponse = max(now, self.loads[record.slot].lastFirstResponse)
        let observed = Double(now.nanoseconds(since: record.sent)) * 1e-9
        self.compare(record, observed: observed)
        self.learnLine(record, observed: observed)
        guard isHead, !record.overtaken, !record.overfull, record.promptBytes > 0 else { return }
        // Side by side with others, a prompt says how long it takes only when it had nobody before it.
        guard !isSideBySide || record.lineSeconds == 0 else { return }
        let seconds = Double(now.nanoseconds(since: began)) * 1e-9
        guard !self.isTooSoon(record, seconds: seconds) else { return }
        self.learn(record, seconds: seconds)
        self.records[Int(lease.record)].learned = true
    }

    /// A stream that answers once is taken to be past its prompt when that should be done.
    mutating func passSilent(slot: Int, at now: Instant) {
        while self.loads[slot].first >= 0 {
            let position = self.loads[slot].first
            guard self.records[Int(position)].isSilent else { return }
            let began = max(self.records[Int(position)].sent, self.loads[slot].lastFirstResponse)
            let seconds = self.model.seconds(self.records[Int(position)].work) * self.loads[slot].speed
            let due = began.advanced(byNanoseconds: UInt64(min(max(seconds, 0), 1e6) * 1e9))
            guard due <= now else { return }
            self.unlink(position)
            self.records[Int(position)].isStarted = true
            self.loads[slot].lastFirstResponse = due
        }
    }

    /// The stream is over. A stream that was never answered says nothing about speed.
    mutating func ended(_ lease: Lease, _ observation: StreamObservation, failed: Bool, at now: Instant) {
        guard self.knows(lease) else { return }
        // Field by field: a record is large, and most ends need little of it.
        let position = Int(lease.record)
        if !self.records[position].isStarted { self.unlink(lease.record) }
        if failed {
            self.index.withdraw(self.records[position].ticket)
        } else {
            self.index.touchAgain(self.records[position].ticket)
            let held = Double(now.nanoseconds(since: self.records[position].sent)) * 1e-9
            self.holdSeconds += (self.holdSeconds == 0 ? 1 : 0.02) * (held - self.holdSeconds)
            let promptBytes = self.records[position].promptBytes
            if observation.promptTokens > 0, promptBytes > 0 {
                let ratio = Double(promptBytes) / Double(observation.promptTokens)
                self.bytesPerToken += 0.02 * (min(max(ratio, 0.5), 32) - self.bytesPerToken)
            }
            if observation.promptMs > 0, !self.records[position].learned, promptBytes > 0 {
                self.learn(self.records[position], seconds: observation.promptMs / 1_000)
            }
        }
        self.free(lease.record)
    }

    /// Keeps how well predictions do, for people.
    private mutating func compare(_ record: StreamRecord, observed: Double) {
        let count = self.loads[record.slot].observations + 1
        let gain = max(0.03, 1 / Double(count))
        self.loads[record.slot].observations = count
        let predicted = record.predictedSeconds - self.loads[record.slot].predictedSeconds
        self.loads[record.slot].predictedSeconds += gain * predicted
        self.loads[record.slot].observedSeconds += gain * (observed - self.loads[record.slot].observedSeconds)
    }

    /// Tokens that no belief grows past by itself.
    private static let generousTokens = 16_000_000.0

    /// While nothing has shown where caches end they are believed to be larger and larger: prompts are not sent to a
    /// replica that is thought to have forgotten them, so that too small a belief would never be found out.
    private mutating func growCapacity(_ slot: Int) {
        let capacity = Double(self.index.caches[slot].capacityBytes)
        guard !self.hasFoundCacheEnd, capacity < Self.generousTokens * self.bytesPerToken else { return }
        self.setCapacity(slot, capacity * 1.05)
        self.typicalCapacityBytes = max(self.typicalCapacityBytes, capacity)
    }

    /// A prefill took `seconds`. What is known for certain teaches the model, what it contradicts teaches the cache.
    private mutating func learn(_ record: StreamRecord, seconds: Double) {
        self.growCapacity(record.slot)
        let speed = self.loads[record.slot].speed
        let reference = seconds / speed
        let profile = record.profile
        let uncached = record.promptBytes - Int(profile.heldBytes)
        // Doubtful is what would be cached, or not, if the cache were half or twice as large as believed.
        let capacity = self.index.caches[record.slot].capacityBytes
        let sure = profile.bytes(heldBy: self.trustedBytes(record.slot, capacity))
        let possible = profile.knownBytes
        let doubtful = Int(possible - min(sure, possible))
        if doubtful * 8 <= max(uncached, 1) {
            self.model.learn(record.work, seconds: reference)
            self.learnSpeed(record.slot, record.work, seconds: seconds)
        } else if self.model.samples >= 5 {
            self.learnCapacity(record, seconds: reference)
        }
    }

    /// A cache size that nothing has contradicted so far: what was seen to be there, or a modest one.
    private func trustedBytes(_ slot: Int, _ capacity: UInt64) -> UInt64 {
        min(capacity / 2, max(self.loads[slot].confirmedBytes, UInt64(100_000 * self.bytesPerToken)))
    }

    private mutating func learnSpeed(_ slot: Int, _ work: Work, seconds: Double) {
        // Before the model is right, its errors would be taken for the replicas'.
        guard self.model.samples > 24 else { return }
        let expected = max(self.model.seconds(work) * self.loads[slot].speed, 0.005)
        let ratio = min(max(max(seconds, 0.005) / expected, 0.5), 2)
        let gain = max(0.05, 1 / Double(self.loads[slot].speedSamples + 12))
        self.loads[slot].speedSamples += 1
        let speed = self.loads[slot].speed * (1 + gain * (ratio - 1))
        self.loads[slot].speed = min(max(speed, 1 / ReplicaLoad.slowest), ReplicaLoad.slowest)
        if self.model.samples % 64 == 0 { self.normaliseSpeeds() }
    }

    /// The reference replica is the average one: model and speeds together say how long something takes, and would
    /// otherwise wander off in opposite directions.
    private mutating func normaliseSpeeds() {
        var sum = 0.0
        var count = 0.0
        for load in self.loads where load.speedSamples > 0 {
            sum += load.speed
            count += 1
        }
        guard count > 0 else { return }
        let factor = sum / count
        for slot in self.loads.indices { self.loads[slot].speed /= factor }
        self.model.rescale(factor)
    }

    /// The prompt was faster or slower than what the cache was believed to hold explains.
    private mutating func learnCapacity(_ record: StreamRecord, seconds: Double) {
        let predicted = self.model.seconds(record.work)
        let tolerance = max(3 * self.model.relativeError, 0.1) * max(predicted, seconds) + 0.005
        let slot = record.slot
        let capacity = Double(self.index.caches[slot].capacityBytes)
        let profile = record.profile
        let computed = self.model.uncachedBytes(promptBytes: record.promptBytes, seconds: seconds)
        let hit = UInt64(max(0, record.promptBytes - computed))
        if seconds > predicted + tolerance {
            // The first part that is missing was not there: the cache ends before it.
            for index in 0..<profile.count where profile.ends[index] > hit + UInt64(Work.unit / 2) {
                let depth = Double(profile.depths[index])
                self.loads[slot].confirmedBytes = min(self.loads[slot].confirmedBytes, UInt64(depth))
                if depth < capacity {
                    self.hasFoundCacheEnd = true
                    self.moveCapacity(slot, towards: depth * 0.97)
                }
                return
            }
        } else {
            // What was there shows how far the cache reaches at least.
            var seen: UInt64 = 0
            for index in 0..<profile.count where hit + UInt64(Work.unit / 4) >= profile.ends[index] {
                if profile.ends[index] > UInt64(Work.unit) { seen = profile.depths[index] }
            }
            self.loads[slot].confirmedBytes = max(self.loads[slot].confirmedBytes, seen)
            if Double(seen) > capacity, seconds < predicted - tolerance {
                // That it reaches so far is certain, and how much farther is not: believing too much costs little.
                let isEarly = self.loads[slot].cacheSamples < 20
                self.moveCapacity(slot, towards: Double(seen) * (isEarly ? 2 : 1.03))
            }
        }
    }

    /// Part of the way, large at first. Replicas of a cluster are mostly alike: those that have told little go along.
    private mutating func moveCapacity(_ slot: Int, towards goal: Double) {
        self.loads[slot].cacheSamples += 1
        for other in self.loads.indices {
            let count = Double(self.loads[other].cacheSamples)
            var gain = max(0.1, 1 / (1 + 0.5 * count))
            let capacity = Double(self.index.caches[other].capacityBytes)
            if goal < capacity, count > 10 { gain *= 0.4 }
            if goal > capacity, count <= 20 { gain = 1 }
            if other != slot {
                if count > 10 { continue }
                // What it showed itself counts more than what its neighbours do.
                if goal < Double(self.loads[other].confirmedBytes) { continue }
                gain *= 0.5
            }
            self.setCapacity(other, capacity + gain * (goal - capacity))
        }
        self.typicalCapacityBytes += 0.2 * (Double(self.index.caches[slot].capacityBytes) - self.typicalCapacityBytes)
    }

    private mutating func setCapacity(_ slot: Int, _ bytes: Double) {
        // At least one prompt of a few thousand tokens fits any cache.
        self.index.caches[slot].resize(UInt64(max(bytes, 8 * Work.unit)))
    }
}

/// What the answer said about the work, as far as the worker tells. Zero is not told.
public struct StreamObservation: Sendable, Equatable {
    /// Tokens of the prompt, cached or not.
    public var promptTokens: Int
    public var outputTokens: Int
    /// How long the prompt took, in milliseconds.
    public var promptMs: Double

    public init(promptTokens: Int = 0, outputTokens: Int = 0, promptMs: Double = 0) {
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.promptMs = promptMs
    }

    public static let none = StreamObservation()
}
