import Foundation
import Replay
import Routing

/// How the policies do on traces and made-up traffic, beside the goals. All on virtual time: the figures are the same on
/// every machine.
struct GoalsReport {
    private let traces: [Trace]
    private let requests: Int
    private let seed: UInt64
    private let strict: Bool
    /// Part of the names of the scenarios that are looked at alone; empty: all, and the other goals.
    private let only: String

    /// The families that scenarios are made of; `shared_head` has a goal of its own.
    private static let families: [SyntheticFamily] = [.conversations, .agents, .documents, .unique, .bursts]

    init(_ options: BenchOptions) throws {
        self.requests = try options.number("requests", 4_000)
        self.seed = UInt64(try options.number("seed", 7))
        self.only = options.text("only", "")
        self.strict = options.text("strict", "no") == "yes"
        self.traces = try options.paths.map { path in
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            return try Trace(name: URL(fileURLWithPath: path).lastPathComponent, jsonLines: data)
        }
    }

    func run() async throws {
        var goals: [Goal] = []
        if self.only.isEmpty {
            for trace in self.traces { goals += await self.reportTrace(trace) }
        }
        goals += await self.reportScenarios()
        if self.only.isEmpty {
            goals += await self.reportWrongStarts()
            goals.append(await self.sharedHead())
        }
        print("\n== goals")
        for goal in goals { print(goal) }
        print("\(goals.count { $0.isMet }) of \(goals.count) goals met")
        if self.strict, goals.contains(where: { !$0.isMet }) { exit(1) }
    }

    // MARK: - Traces

    private func reportTrace(_ trace: Trace) async -> [Goal] {
        print("\n== \(trace.name), 8 replicas, 2 M tokens of cache, 8,000 tokens/s, at its own speed, nothing held")
        var settings = RoutingSettings()
        settings.expectedTTFT.maxWaitMs = 0
        let jobs = ReplayPolicy.all.map { Job(policy: $0, trace: trace, fleet: FleetSettings(), settings: settings) }
        settings.expectedTTFT.maxWaitMs = 30_000
        let held = Job(policy: .ours, trace: trace, fleet: FleetSettings(), settings: settings)
        let results = await Job.run(jobs + [held])
        print("\(Self.column("policy", 30))    hit   TTFT mean      p50      p90      p99  largest share")
        for (job, result) in zip(jobs + [held], results) {
            let name = job.settings.expectedTTFT.maxWaitMs > 0 ? "\(job.policy.name), held" : job.policy.name
            print(Self.line(name, result))
        }
        guard let ours = zip(jobs, results).first(where: { $0.0.policy == .ours })?.1 else { return [] }
        var goals: [Goal] = []
        if trace.name.contains("conversation") {
            goals = [
                Goal("\(trace.name): mean TTFT, s", ours.meanTTFT, atMost: 1.34),
                Goal("\(trace.name): p99, s", ours.ttft(at: 0.99), atMost: 10.2),
                Goal("\(trace.name): hit", ours.hit, atLeast: 0.315),
            ]
            let loaded = Scenario(.trace(trace), load: 0.7)
            let pair = await Job.run([
                Job(.baseline(.localAI), loaded), Job(.ours, loaded), Job(.shipped(.prefixCache), loaded),
            ])
            goals += [
                Goal("… at 70 %: localai ÷ ours, mean", pair[0].meanTTFT / pair[1].meanTTFT, atLeast: 2.8),
                Goal("… at 70 %: localai ÷ ours, p99", pair[0].p99 / pair[1].p99, atLeast: 1.7),
                Goal(
                    "… at 70 %: prefix_cache, whole prompts ÷ ours, mean", pair[2].meanTTFT / pair[1].meanTTFT,
                    atLeast: 2.8),
                Goal("… at 70 %: prefix_cache, whole prompts ÷ ours, p99", pair[2].p99 / pair[1].p99, atLeast: 1.7),
            ]
        } else if trace.name.contains("synthetic") {
            goals = [
                Goal("\(trace.name): mean TTFT, s", ours.meanTTFT, atMost: 0.85),
                Goal("\(trace.name): hit", ours.hit, atLeast: 0.63),
            ]
        }
        return goals
    }

    // MARK: - Scenarios

    private var traffic: [Scenario.Traffic] {
        Self.families.map { .family($0, requests: self.requests, seed: self.seed) } + self.traces.map { .trace($0) }
    }

    private func reportScenarios() async -> [Goal] {
        let policies: [ReplayPolicy] = [
            .ours, .baseline(.trueGreedy), .baseline(.truePlanner), .shipped(.roundRobin), .shipped(.leastInFlight),
            .baseline(.localAI),
        ]
        let scenarios = self.traffic.flatMap { Scenario.range($0, seed: self.seed) }
            .filter { self.only.isEmpty || $0.name.contains(self.only) }
        let results = await Job.run(scenarios.flatMap { scenario in policies.map { Job($0, scenario) } })
        print("\n== \(scenarios.count) scenarios: expected_ttft ÷ others, mean TTFT (and p99)")
        print(
            "\(Self.column("scenario", 66))  true greedy      true planner     hit ÷   round   least  localai")
        var rows: [[ReplayResult]] = []
        for (position, scenario) in scenarios.enumerated() {
            let row = Array(results[position * policies.count..<(position + 1) * policies.count])
            rows.append(row)
            let means = row.dropFirst().map { Self.text(row[0].meanTTFT / $0.meanTTFT) }
            let tails = row.dropFirst().map { Self.text(row[0].p99 / $0.p99) }
            print(
                "\(Self.column(scenario.name, 66))  \(means[0]) (\(tails[0]))  \(means[1]) (\(tails[1]))"
                    + "  \(Self.text(row[0].hit / max(row[2].hit, 1e-9)))  \(means[2])  \(means[3])  \(means[4])")
        }
        func ratios(_ other: Int, _ value: (ReplayResult) -> Double) -> [Double] {
            rows.map { value($0[0]) / value($0[other]) }
        }
        let hits = rows.filter { $0[2].hit > 0.01 }.map { $0[0].hit / $0[2].hit }
        let means = ratios(1, \.meanTTFT)
        return [
            Goal("÷ true greedy: mean TTFT, geometric mean", Self.geometric(means), atMost: 0.75),
            Goal("÷ true greedy: p99, geometric mean", Self.geometric(ratios(1, \.p99)), atMost: 0.9),
            Goal("÷ true greedy: mean TTFT, worst scenario", means.max() ?? 0, atMost: 1.1),
            Goal("÷ true planner: hit, geometric mean", Self.geometric(hits), atLeast: 0.97),
            Goal("÷ true planner: mean TTFT, geometric mean", Self.geometric(ratios(2, \.meanTTFT)), atMost: 1.08),
            Goal("÷ true planner: p99, geometric mean", Self.geometric(ratios(2, \.p99)), atMost: 1.1),
            Goal("÷ round_robin: mean TTFT, worst scenario", ratios(3, \.meanTTFT).max() ?? 0, atMost: 1.05),
            Goal("÷ least_in_flight: mean TTFT, worst scenario", ratios(4, \.meanTTFT).max() ?? 0, atMost: 1.05),
            Goal("÷ localai: mean TTFT, worst scenario", ratios(5, \.meanTTFT).max() ?? 0, atMost: 1.05),
        ]
    }

    // MARK: - Wrong starts

    /// What may be believed at first, and is ten times off.
    private static let wrongStarts: [(name: String, change: @Sendable (inout ExpectedTTFTSettings) -> Void)] = [
        ("speed × 10", { $0.prefillTokensPerSecond *= 10 }),
        ("speed ÷ 10", { $0.prefillTokensPerSecond /= 10 }),
        ("cache × 10", { $0.cacheTokens = 20_000_000 }),
        ("cache ÷ 10", { $0.cacheTokens = 200_000 }),
        (
            "all of it too good",
            {
                $0.prefillTokensPerSecond *= 10
                $0.overheadMs /= 10
                $0.cacheTokens = 20_000_000
            }
        ),
        (
            "all of it too bad",
            {
                $0.prefillTokensPerSecond /= 10
                $0.overheadMs *= 10
                $0.cacheTokens = 200_000
            }
        ),
    ]

    /// By then all has been learned: the sums differ since other first picks make other queues, by a twentieth for one
    /// seed of bursts, and so by a hundredth for so many.
    private static let seedsOfStarts = 20

    private func reportWrongStarts() async -> [Goal] {
        print(
            "\n== beliefs that start ten times wrong: mean TTFT after the first 500 requests ÷ usual, of"
                + " \(Self.seedsOfStarts) seeds")
        var goals: [Goal] = []
        var floors: [Double] = []
        for family in Self.families {
            let scenarios = (0..<UInt64(Self.seedsOfStarts)).map {
                Scenario(.family(family, requests: self.requests, seed: self.seed + $0), load: 0.7)
            }
            let right = await Job.run(scenarios.map { Job(.ours, $0) })
            let least = await Job.run(scenarios.map { Job(.shipped(.leastInFlight), $0) })
            var worst = 0.0
            for start in Self.wrongStarts {
                let wrong = await Job.run(
                    scenarios.map { scenario in
                        var job = Job(.ours, scenario)
                        start.change(&job.settings.expectedTTFT)
                        return job
                    })
                let ratio = Self.late(wrong) / Self.late(right)
                worst = max(worst, ratio)
                floors += zip(wrong, least).map { $0.meanTTFT / $1.meanTTFT }
                print("\(Self.column("\(family.rawValue), \(start.name)", 66))  \(Self.text(ratio))")
            }
            goals.append(Goal("\(family.rawValue): worst of the wrong starts ÷ usual", worst, atMost: 1.05))
        }
        goals.append(
            Goal("wrong starts ÷ least_in_flight: mean TTFT, worst scenario", floors.max() ?? 0, atMost: 1.05))
        return goals
    }

    private func sharedHead() async -> Goal {
        var shares: [Double] = []
        for load in [0.1, 0.5] {
            let scenario = Scenario(.family(.sharedHead, requests: self.requests, seed: self.seed), load: load)
            shares += await Job.run([Job(.ours, scenario)]).map { $0.maxShare * 8 }
        }
        return Goal("all share the first block: largest share × replicas", shares.max() ?? 0, atMost: 1.2)
    }

    // MARK: - Figures

    private static func late(_ results: [ReplayResult]) -> Double {
        results.reduce(0) { $0 + $1.ttft.dropFirst(500).reduce(0, +) }
    }

    private static func geometric(_ values: [Double]) -> Double {
        exp(values.reduce(0) { $0 + log($1) } / Double(max(1, values.count)))
    }

    private static func line(_ name: String, _ result: ReplayResult) -> String {
        let figures = [result.meanTTFT, result.ttft(at: 0.5), result.ttft(at: 0.9), result.p99]
        return self.column(name, 30) + String(format: "  %.3f", result.hit)
            + figures.map { String(format: "%9.3f", $0) }.joined() + String(format: "  %.3f", result.maxShare)
    }

    private static func text(_ value: Double) -> String { String(format: "%6.3f", value) }

    private static func column(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

/// A figure and what it is to be.
private struct Goal: CustomStringConvertible {
    let name: String
    let value: Double
    let limit: Double
    let isCeiling: Bool

    init(_ name: String, _ value: Double, atMost limit: Double) {
        (self.name, self.value, self.limit, self.isCeiling) = (name, value, limit, true)
    }

    init(_ name: String, _ value: Double, atLeast limit: Double) {
        (self.name, self.value, self.limit, self.isCeiling) = (name, value, limit, false)
    }

    var isMet: Bool { self.isCeiling ? self.value <= self.limit : self.value >= self.limit }

    var description: String {
        let space = String(repeating: " ", count: max(0, 66 - self.name.count))
        return "\(self.isMet ? "met   " : "MISSED")  \(self.name)\(space)"
            + String(format: "%8.3f", self.value) + "  goal \(self.isCeiling ? "≤" : "≥") \(self.limit)"
    }
}

/// One policy's run, to be done beside others.
struct Job: Sendable {
    var policy: ReplayPolicy
    var trace: Trace?
    var scenario: Scenario?
    var fleet: FleetSettings
    var settings: RoutingSettings

    init(policy: ReplayPolicy, trace: Trace, fleet: FleetSettings, settings: RoutingSettings) {
        self.policy = policy
        self.trace = trace
        self.fleet = fleet
        self.settings = settings
    }

    init(_ policy: ReplayPolicy, _ scenario: Scenario) {
        self.policy = policy
        self.scenario = scenario
        self.fleet = scenario.fleet
        self.settings = scenario.settings
    }

    private func run() -> ReplayResult {
        guard let trace = self.trace ?? self.scenario?.trace() else { preconditionFailure("a job has traffic") }
        return self.policy.run(trace, self.fleet, settings: self.settings)
    }

    /// The results in the order of the jobs, which run on all cores.
    static func run(_ jobs: [Job]) async -> [ReplayResult] {
        await withTaskGroup(of: (Int, ReplayResult).self) { group in
            for (position, job) in jobs.enumerated() { group.addTask { (position, job.run()) } }
            var results = Array(repeating: ReplayResult(), count: jobs.count)
            for await (position, result) in group { results[position] = result }
            return results
        }
    }
}

extension ReplayPolicy {
    static let ours = ReplayPolicy.shipped(.expectedTTFT)
}

extension ReplayResult {
    /// The time to first token that 99 % of the requests did not exceed, in seconds.
    var p99: Double { self.ttft(at: 0.99) }
}
