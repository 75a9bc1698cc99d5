package import Routing

/// What one decision costs: the prompt's chain and the pick, in an index that is full.
package struct DecisionCost: Encodable, Sendable {
    package var prompt_bytes: Int
    package var replicas: Int
    package var indexed_blocks: Int
    package var hash_ns: Double
    package var pick_ns: Double
    package var bytes_per_block: Double

    /// Fills the index with `blocks` blocks of conversations of `promptBytes` bytes, then decides `decisions` times
    /// about their next turns and measures.
    package static func measure(
        policy: PolicyName, promptBytes: Int, replicas: Int, blocks: Int, decisions: Int
    ) -> DecisionCost {
        var settings = RoutingSettings()
        settings.policy = policy
        settings.maxIndexBlocks = blocks
        var table = Self.table(settings, replicas)
        let text = (0..<promptBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var chain = PrefixChain(settings: settings)
        var now: UInt64 = 0
        var salt: UInt64 = 0
        while table.indexedBlocks < blocks, salt < UInt64(blocks) {
            Self.make(&chain, salt, text)
            Self.serve(&table, chain, &now, pick: { $0.pickAndLease($1, at: $2) })
            salt += 1
        }
        let clock = ContinuousClock()
        var (hashing, picking) = (Duration.zero, Duration.zero)
        var random = SplitMix64(seed: 1)
        for _ in 0..<decisions {
            let known = random.next() % max(1, salt)
            let start = clock.now
            Self.make(&chain, known, text)
            hashing += clock.now - start
            Self.serve(&table, chain, &now) { table, chain, now in
                let start = clock.now
                let decision = table.pickAndLease(chain, at: now)
                picking += clock.now - start
                return decision
            }
        }
        return DecisionCost(
            prompt_bytes: promptBytes, replicas: replicas, indexed_blocks: table.indexedBlocks,
            hash_ns: hashing / .nanoseconds(1) / Double(max(1, decisions)),
            pick_ns: picking / .nanoseconds(1) / Double(max(1, decisions)),
            bytes_per_block: Double(table.indexMemoryBytes) / Double(max(1, table.indexedBlocks)))
    }

    /// A table that was asked about `prompts` different prompts, one after another.
    package static func fill(prompts: Int, promptBytes: Int, replicas: Int) -> ReplicaTable {
        let settings = RoutingSettings()
        var table = Self.table(settings, replicas)
        let text = [UInt8](repeating: 0x61, count: promptBytes)
        var chain = PrefixChain(settings: settings)
        var now: UInt64 = 0
        for prompt in 0..<prompts {
            Self.make(&chain, UInt64(prompt), text)
            Self.serve(&table, chain, &now, pick: { $0.pickAndLease($1, at: $2) })
        }
        return table
    }

    private static func table(_ settings: RoutingSettings, _ replicas: Int) -> ReplicaTable {
        var table = ReplicaTable(settings: settings)
        for number in 0..<replicas {
            let replica = table.add(name: "replica-\(number)", weight: 1)
            table.setAvailability(replica, .available)
        }
        return table
    }

    private static func make(_ chain: inout PrefixChain, _ salt: UInt64, _ text: [UInt8]) {
        chain.begin(salt: salt)
        chain.append(text.span)
        chain.finish()
    }

    private static func serve(
        _ table: inout ReplicaTable, _ chain: PrefixChain, _ now: inout UInt64,
        pick: (inout ReplicaTable, PrefixChain, Instant) -> PickDecision?
    ) {
        now += 1_000_000
        guard let decision = pick(&table, chain, Instant(nanoseconds: now)) else { return }
        table.firstResponse(decision.lease, at: Instant(nanoseconds: now + 400_000))
        table.release(decision.lease, .served, at: Instant(nanoseconds: now + 900_000))
    }
}
