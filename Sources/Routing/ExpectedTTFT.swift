/// The policy `expected_ttft`: each prompt goes where it costs least, its own wait and the wait of others together.
///
/// ```
/// cost of a replica = T + w + λ·e     T  until it would start: unstarted work sent there, a free slot
///                                     w  its own prefill there: learned model × the replica's learned speed
///                                     e  the work in seconds of the reference replica, and λ what others pay for it
/// ```
/// The uncached part of the prompt comes from a model of every replica's cache. All of it is learned from when streams
/// have their first response. Part of a `ReplicaTable`, under its lock; a value without clock, log or I/O.
public struct ExpectedTTFT: Sendable {
    private(set) var settings: ExpectedTTFTSettings
    public internal(set) var index: CacheIndex
    public internal(set) var model: ServiceModel
    /// Bytes of prompt per token, learned from what replies say.
    public internal(set) var bytesPerToken: Double
    /// By slot.
    var loads = ContiguousArray<ReplicaLoad>()
    var records = ContiguousArray<StreamRecord>()
    var firstUnusedRecord: Int32 = -1
    /// Prompts without a first response, those that are held back included, per replica, averaged over a quarter of a
    /// minute.
    public internal(set) var waitingPerReplica = 0.0
    var waitingAt: Instant?
    /// Prompts that the table held back when the last one arrived.
    var heldBack = 0
    /// Time that a stream holds its slot, averaged over the last hundred or so, in seconds; zero before the first.
    var holdSeconds = 0.0
    /// What a cache is believed to hold before anything was observed, in bytes; follows what is learned.
    var typicalCapacityBytes: Double
    /// A cache was found to be smaller than believed.
    var hasFoundCacheEnd = false
    /// When the waiting prompts are to be looked at again.
    var nextWake = Instant(nanoseconds: 0)
    /// Counted up when the waiting prompts must be looked at anew.
    var noteCount: UInt64 = 0

    /// Work that was ever sent, in seconds of the reference replica, as predicted when it was.
    var offeredSeconds = 0.0
    /// What was learned of whether prompts stand in line on a replica.
    var line: LineBelief

    /// By slot, what is held of the prompt that is being placed. Kept for its memory.
    var held = ContiguousArray<HeldPrefix>()
    /// By candidate, seconds until it would start. Kept for its memory.
    var starts = ContiguousArray<Double>()

    public init(settings: ExpectedTTFTSettings, maxBlocks: Int) {
        self.settings = settings
        self.line = LineBelief(isAssumed: settings.startsInLine)
        self.index = CacheIndex(capacity: maxBlocks, sharingDiscount: settings.sharingDiscount)
        self.bytesPerToken = settings.bytesPerToken
        self.model = ServiceModel(
            overheadSeconds: settings.overheadMs / 1_000,
            secondsPerToken: 1 / settings.prefillTokensPerSecond * 4 / settings.bytesPerToken)
        self.typicalCapacityBytes = Double(settings.cacheTokens) * settings.bytesPerToken
    }

    // MARK: - Settings

    /// What counts from now on. What was learned stays, so what there was to start from does not matter any more.
    mutating func apply(_ settings: ExpectedTTFTSettings) {
        self.settings = settings
        self.noteCount += 1
    }

    /// Prompts are compared in another way, or fewer are remembered: the memory of them begins anew.
    mutating func emptyIndex(capacity: Int) {
        self.index = self.index.emptied(capacity: capacity)
        for position in self.records.indices { self.records[position].ticket = .nothing }
        for slot in self.held.indices { self.held[slot] = .nothing }
        self.noteCount += 1
    }

    // MARK: - Replicas

    /// Another replica has `slot` from now on, or the same one with an empty cache.
    mutating func joined(slot: Int) {
        while self.loads.count <= slot {
            self.loads.append(ReplicaLoad())
            self.held.append(.nothing)
        }
        self.loads[slot] = ReplicaLoad()
        self.noteCount += 1
        self.index.reset(slot: slot, capacityBytes: UInt64(self.typicalCapacityBytes))
    }

    /// The replica's process restarted: its cache is empty, its size and speed are what they were.
    mutating func forgetCache(slot: Int) {
        self.index.reset(slot: slot, capacityBytes: self.index.caches[slot].capacityBytes)
    }

    // MARK: - Streams

    /// The prompt goes to the replica in `slot` now. Returns the position of its record, and when its first response is
    /// expected, in seconds from now.
    mutating func sent(
        _ chain: PrefixChain, slot: Int, inFlight: Int, serial: UInt64, isSilent: Bool, at now: Instant
    ) -> (record: Int32, predictedSeconds: Double) {
        var record = StreamRecord()
        record.serial = serial
        record.isSilent = isSilent
        record.slot = slot
        record.promptBytes = chain.byteCount
        (record.ticket, record.profile) = self.index.noteAndProfile(chain, slot: slot, at: now)
        record.work = Work(promptBytes: chain.byteCount, cachedBytes: Int(record.profile.heldBytes))
        record.predictedSeconds =
            self.startSeconds(slot: slot, inFlight: inFlight, at: now)
            + self.model.seconds(record.work) * self.loads[slot].speed
        record.sent = now
        let slots = self.slots(ofSlot: slot)
        record.overfull = slots > 0 && inFlight >= slots
        record.lineSeconds = self.loads[slot].first < 0 ? 0 : record.predictedSeconds - self.ownSeconds(record)
        self.noteCount += 1
        self.offeredSeconds += self.model.seconds(record.work)
        let position = self.take(record)
        self.append(position)
        return (position, record.predictedSeconds)
    }

    private mutating func take(_ record: StreamRecord) -> Int32 {
        if self.firstUnusedRecord >= 0 {
            let position = self.firstUnusedRecord
            self.firstUnusedRecord = self.records[Int(position)].newer
            self.records[Int(position)] = record
            return position
        }
        self.records.append(record)
        return Int32(self.records.count - 1)
    }

    private mutating func append(_ position: Int32) {
        let slot = self.records[Int(position)].slot
        let last = self.loads[slot].last
        self.records[Int(position)].older = last
        self.records[Int(position)].newer = -1
        if last >= 0 { self.records[Int(last)].newer = position } else { self.setHead(of: slot, position) }
        self.loads[slot].last = position
        self.loads[slot].unstartedCount += 1
        self.loads[slot].unstarted = self.loads[slot].unstarted + self.records[Int(position)].work
    }

    private mutating func setHead(of slot: Int, _ position: Int32) {
        self.loads[slot].first = position
        guard position >= 0 else { return }
        self.loads[slot].headWork = self.records[Int(position)].work
        self.loads[slot].headSent = self.records[Int(position)].sent
        self.loads[slot].headIsSilent = self.records[Int(position)].isSilent
    }

    /// Takes a stream out of those that have not had their first response.
    mutating func unlink(_ position: Int32) {
        let (slot, older, newer) = (
            self.records[Int(position)].slot, self.records[Int(position)].older, self.records[Int(position)].newer
        )
        if older >= 0 { self.records[Int(older)].newer = newer } else { self.setHead(of: slot, newer) }
        if newer >= 0 { self.records[Int(newer)].older = older } else { self.loads[slot].last = older }
        self.loads[slot].unstartedCount -= 1
        self.loads[slot].unstarted =
            self.loads[slot].unstartedCount == 0
            ? .none : self.loads[slot].unstarted - self.records[Int(position)].work
    }

    /// Whether the lease's stream is still known, with the replica that it was sent to.
    func knows(_ lease: Lease) -> Bool {
        lease.record >= 0 && Int(lease.record) < self.records.count
            && self.records[Int(lease.record)].serial == lease.serial
    }

    /// The replica in `slot` left: its streams go on, and tell nothing any more.
    mutating func left(slot: Int) {
        var position = self.loads[slot].first
        while position >= 0 {
            let next = self.records[Int(position)].newer
            self.unlink(position)
            position = next
        }
        for position in self.records.indices where self.records[position].serial > 0 {
            if self.records[position].slot == slot { self.free(Int32(position)) }
        }
        self.index.reset(slot: slot, capacityBytes: UInt64(self.typicalCapacityBytes))
    }

    mutating func free(_ position: Int32) {
        // The next one writes all of it.
        self.records[Int(position)].serial = 0
        self.records[Int(position)].newer = self.firstUnusedRecord
        self.firstUnusedRecord = position
    }
}
