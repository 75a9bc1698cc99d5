import Routing

/// How known peers choose, from their public descriptions, each with its default settings. All of them work from the
/// same index of what was sent where, and from their own count of what is under way.
///
/// - `sglang_cache_aware`: SGLang's router, `cache_aware` policy (sgl-project/sglang, sgl-router): when the load differs
///   by more than 64 streams and by more than half, the least loaded; otherwise the longest match if it is above 0.3 of
///   the prompt, else the replica with the smallest tree.
/// - `dynamo_kv`: NVIDIA Dynamo's KV router: least prefill blocks, the new ones included, plus blocks being decoded.
/// - `inference_gateway`: the endpoint picker of the Kubernetes inference gateway and llm-d: prefix match 3, queue 2 and
///   KV use 2, each scored from 0 to 1.
/// - `preble_e2`: Preble (Srivatsa and others, 2024): exploit a match that is longer than what is missing, otherwise
///   explore the replica with the least work of the last three minutes.
/// - `mooncake_conductor`: Mooncake (Qin and others, 2024): least estimated time to first token, from queue and match.
struct BaselineRouter: Router {
    private let policy: ReplayPolicy.Baseline
    private var index: [UInt64: Set<Int>] = [:]
    /// Per replica: blocks it was ever sent, tokens not yet prefilled, blocks of the streams on it, recent work.
    private var treeSizes: [Int]
    private var pendingTokens: [Int]
    private var activeBlocks: [Int]
    private var recent: [[(at: Double, tokens: Int)]]
    private var sent: [Int: (replica: Int, uncached: Int)] = [:]
    private var random: SplitMix64

    init(_ policy: ReplayPolicy.Baseline, replicas: Int, seed: UInt64) {
        self.policy = policy
        self.treeSizes = Array(repeating: 0, count: replicas)
        self.pendingTokens = Array(repeating: 0, count: replicas)
        self.activeBlocks = Array(repeating: 0, count: replicas)
        self.recent = Array(repeating: [], count: replicas)
        self.random = SplitMix64(seed: seed)
    }

    mutating func arrive(_ position: Int, _ simulation: Simulation) -> Int? {
        let request = simulation.trace.requests[position]
        let matches = self.matches(request.blocks)
        let uncached = matches.map { max(0, request.inputTokens - $0 * Trace.blockTokens) }
        let replica = self.choose(request, matches, uncached, simulation)
        for block in request.blocks where self.index[block, default: []].insert(replica).inserted {
            self.treeSizes[replica] += 1
        }
        self.pendingTokens[replica] += uncached[replica]
        self.activeBlocks[replica] += request.blocks.count
        self.recent[replica].append((simulation.now, uncached[replica]))
        self.sent[position] = (replica, uncached[replica])
        return replica
    }

    mutating func firstToken(_ position: Int, _ simulation: Simulation) {
        guard let sent = self.sent[position] else { return }
        self.pendingTokens[sent.replica] -= sent.uncached
    }

    mutating func ended(_ position: Int, _ simulation: Simulation) {
        guard let sent = self.sent.removeValue(forKey: position) else { return }
        self.activeBlocks[sent.replica] -= simulation.trace.requests[position].blocks.count
    }

    private mutating func choose(
        _ request: Trace.Request, _ matches: [Int], _ uncached: [Int], _ simulation: Simulation
    ) -> Int {
        let streams = simulation.replicas.map(\.inFlight)
        let model = simulation.replicas[0].model
        let (pending, active, sizes) = (self.pendingTokens, self.activeBlocks, self.treeSizes)
        switch self.policy {
        case .trueGreedy, .truePlanner, .localAI: preconditionFailure("it has a router of its own")
        case .sglang:
            let (most, least) = (streams.max() ?? 0, streams.min() ?? 0)
            if most - least > 64, Double(most) > 1.5 * Double(least) { return self.best { -Double(streams[$0]) } }
            let deepest = self.best { Double(matches[$0]) }
            if Double(matches[deepest]) > 0.3 * Double(request.blocks.count) { return deepest }
            return self.best { -Double(sizes[$0]) }
        case .dynamo:
            return self.best {
                -Double(pending[$0] + uncached[$0]) / Double(Trace.blockTokens)
                    - Double(active[$0])
            }
        case .inferenceGateway:
            let queues = simulation.replicas.map { Double($0.awaitingFirstToken) }
            let longest = max(1, queues.max() ?? 1)
            let room = Double(model.cacheTokens / Trace.blockTokens)
            return self.best {
                3 * Double(matches[$0]) / Double(max(1, request.blocks.count)) + 2 * (1 - queues[$0] / longest)
                    + 2 * max(0, 1 - Double(active[$0]) / room)
            }
        case .preble:
            for replica in self.recent.indices {
                self.recent[replica].removeAll { $0.at < simulation.now - 180 }
            }
            let work = self.recent.map { $0.reduce(0) { $0 + $1.tokens } }
            let deepest = matches.max() ?? 0
            if deepest * Trace.blockTokens > request.inputTokens - deepest * Trace.blockTokens {
                return self.best { matches[$0] == deepest ? -Double(work[$0]) : -.infinity }
            }
            return self.best { -Double(work[$0] + uncached[$0]) }
        case .mooncake:
            return self.best { -Double(pending[$0] + uncached[$0]) / model.prefillTokensPerSecond }
        }
    }

    /// Leading blocks of the prompt that each replica was ever sent.
    private func matches(_ blocks: [UInt64]) -> [Int] {
        var matches = [Int](repeating: 0, count: self.treeSizes.count)
        for (depth, block) in blocks.enumerated() {
            guard let owners = self.index[block] else { break }
            for owner in owners where matches[owner] == depth { matches[owner] = depth + 1 }
        }
        return matches
    }

    /// The replica with the highest score; among equal ones any.
    private mutating func best(_ score: (Int) -> Double) -> Int {
        var best = 0
        var highest = -Double.infinity
        var ties = 0
        for replica in self.treeSizes.indices {
            let value = score(replica)
            if value > highest {
                (best, highest, ties) = (replica, value, 1)
            } else if value == highest {
                ties += 1
                if self.random.next() % UInt64(ties) == 0 { best = replica }
            }
        }
        return best
    }
}
