package import Routing

/// What one decision costs: the prompt's chain and the pick, in an index that is full, with two streams per replica
/// under way.
///
/// Times are of the thread that measures, from a clock that goes on when others have the processor: each is the median
/// over batches of a hundred decisions, which leaves interruptions out and keeps cache misses in.
package struct DecisionCost: Encodable, Sendable {
    package var prompt_bytes: Int
    package var replicas: Int
    package var indexed_blocks: Int
    package var hash_ns: Double
    /// Of prompts that were seen before.
    package var pick_ns: Double
    /// Of prompts that were not: their blocks are added and as many old ones forgotten.
    package var pick_new_ns: Double
    /// First response and end of a stream together.
    package var finish_ns: Double
    package var bytes_per_block: Double

    /// Fills the index with `blocks` blocks of prompts of `promptBytes` bytes, then decides `decisions` times about
    /// known ones and as often about new ones, and measures.
    package static func measure(
        policy: PolicyName, promptBytes: Int, replicas: Int, blocks: Int, decisions: Int
    ) -> DecisionCost {
        var settings = RoutingSettings()
        settings.policy = policy
        settings.maxIndexBlocks = blocks
        var run = DecisionRun(settings, promptBytes: promptBytes, replicas: replicas)
        var salt: UInt64 = 0
        while run.table.indexedBlocks < blocks, salt < UInt64(blocks) {
            run.decide(salt)
            salt += 1
        }
        let bytesPerBlock = Double(run.table.indexMemoryBytes) / Double(max(1, run.table.indexedBlocks))
        var random = SplitMix64(seed: 1)
        var known = DecisionRun.Times()
        var new = DecisionRun.Times()
        let batches = (decisions + Self.batch - 1) / Self.batch
        for _ in 0..<batches {
            known.append(run.batch { _ in random.next() % max(1, salt) })
        }
        for _ in 0..<batches {
            new.append(run.batch { salt + $0 })
            salt += UInt64(Self.batch)
        }
        return DecisionCost(
            prompt_bytes: promptBytes, replicas: replicas, indexed_blocks: run.table.indexedBlocks,
            hash_ns: known.median(\.hash), pick_ns: known.median(\.pick), pick_new_ns: new.median(\.pick),
            finish_ns: known.median(\.finish), bytes_per_block: bytesPerBlock)
    }

    /// A table that was asked about `prompts` different prompts, one after another.
    package static func fill(prompts: Int, promptBytes: Int, replicas: Int) -> ReplicaTable {
        var run = DecisionRun(RoutingSettings(), promptBytes: promptBytes, replicas: replicas)
        for prompt in 0..<prompts { run.decide(UInt64(prompt)) }
        return run.table
    }

    fileprivate static let batch = 100
}

/// Decides about prompts that differ by their salt, two streams per replica at a time.
private struct DecisionRun {
    private(set) var table: ReplicaTable
    private var chain: PrefixChain
    private let text: [UInt8]
    private var now: UInt64 = 0
    /// Under way, a ring.
    private var leases: [Lease] = []
    private var oldest = 0
    private let atOnce: Int
    private let clock = ContinuousClock()

    init(_ settings: RoutingSettings, promptBytes: Int, replicas: Int) {
        self.table = ReplicaTable(settings: settings)
        self.chain = PrefixChain(settings: settings)
        self.text = (0..<promptBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        self.atOnce = 2 * replicas
        for number in 0..<replicas {
            let replica = self.table.add(name: "replica-\(number)", weight: 1)
            self.table.setAvailability(replica, .available)
        }
    }

    /// Nanoseconds per decision, by batch.
    struct Times {
        private var batches: [Batch] = []

        struct Batch {
            var hash = 0.0
            var pick = 0.0
            var finish = 0.0
        }

        mutating func append(_ batch: Batch) { self.batches.append(batch) }

        func median(_ part: (Batch) -> Double) -> Double {
            let sorted = self.batches.map(part).sorted()
            return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }
    }

    mutating func batch(_ salt: (UInt64) -> UInt64) -> Times.Batch {
        var times = Times.Batch()
        for position in 0..<UInt64(DecisionCost.batch) {
            let salt = salt(position)
            let start = self.clock.now
            self.make(salt)
            let made = self.clock.now
            let lease = self.pick()
            let picked = self.clock.now
            self.finishOldest(addingInstead: lease)
            let finished = self.clock.now
            times.hash += (made - start) / .nanoseconds(1)
            times.pick += (picked - made) / .nanoseconds(1)
            times.finish += (finished - picked) / .nanoseconds(1)
        }
        times.hash /= Double(DecisionCost.batch)
        times.pick /= Double(DecisionCost.batch)
        times.finish /= Double(DecisionCost.batch)
        return times
    }

    mutating func decide(_ salt: UInt64) {
        self.make(salt)
        let lease = self.pick()
        self.finishOldest(addingInstead: lease)
    }

    private mutating func make(_ salt: UInt64) {
        self.chain.begin(salt: salt)
        let text = self.text
        self.chain.append(text.span)
        self.chain.finish()
    }

    private mutating func pick() -> Lease {
        self.now += 2_000_000
        guard let decision = self.table.pickAndLease(self.chain, at: Instant(nanoseconds: self.now)) else {
            preconditionFailure("every replica is available")
        }
        return decision.lease
    }

    private mutating func finishOldest(addingInstead lease: Lease) {
        guard self.leases.count == self.atOnce else { return self.leases.append(lease) }
        // Half of those that are under way have had their first response.
        let half = (self.oldest + self.atOnce / 2) % self.atOnce
        self.table.firstResponse(self.leases[half], at: Instant(nanoseconds: self.now))
        self.table.release(self.leases[self.oldest], .served, at: Instant(nanoseconds: self.now))
        self.leases[self.oldest] = lease
        self.oldest = (self.oldest + 1) % self.atOnce
    }
}
