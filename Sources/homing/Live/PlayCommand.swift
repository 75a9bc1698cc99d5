import ArgumentParser
import Foundation
import Replay
import Routing

/// `homing play`: a trace in real time through a proxy and embedded workers, beside the replay of the same.
struct PlayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "play",
        abstract: "Play a trace in real time through a proxy and simulated workers, beside its replay.",
        discussion: """
            Starts embedded workers and a proxy in this process for each policy, all at once, sends every request of the \
            trace at its time over loopback connections, and prints what came of it beside what 'homing replay' makes of \
            the same. With --speed 10 a trace of five minutes takes half a minute: arrivals and workers are ten times as \
            fast, and times are printed as those of the trace.

            Exit code 1: a call failed, or --goal was missed.
            """)

    @Argument(help: "The trace, JSON lines.")
    var file: String

    @Option(help: "Embedded workers for each policy.")
    var replicas = 4

    @Option(help: "Tokens that a worker's cache holds.")
    var cacheTokens = 200_000

    @Option(help: "Prompt tokens that a worker computes per second.")
    var prefill = 8_000.0

    @Option(help: "Everything goes this many times as fast.")
    var speed = 10.0

    @Option(help: "What to compare, separated by commas.")
    var policies = "round_robin,expected_ttft"

    @Option(help: "The largest mean TTFT of the last policy, as a share of that of the first.")
    var goal: Double?

    @Flag(help: "Print a JSON list of objects instead of a table.")
    var json = false

    private var chosen: [PolicyName?] { self.policies.split(separator: ",").map { PolicyName(rawValue: String($0)) } }

    func validate() throws {
        guard !self.chosen.isEmpty, !self.chosen.contains(nil) else {
            throw ValidationError("--policies knows \(Flags.names(PolicyName.self)).")
        }
        guard (1...64).contains(self.replicas), self.cacheTokens >= Trace.blockTokens, self.prefill > 0, self.speed > 0,
            self.goal ?? 1 > 0
        else { throw ValidationError("Numbers are positive; --replicas is at most 64.") }
    }

    func run() async throws {
        let trace = try Trace.read(self.file, ExitReason.failed)
        var rows: [ReplayRow] = []
        var means: [Double] = []
        let results = try await Progress.during("playing \(trace.requests.count) requests in real time") { _ in
            try await self.play(trace)
        }
        for (policy, result) in results {
            rows.append(ReplayRow(policy: "\(policy.rawValue), live", result))
            means.append(result.meanTTFT)
            rows.append(ReplayRow(policy: "\(policy.rawValue), replay", self.play(policy, trace).replayed()))
        }
        print(self.json ? try ReplayRow.json(rows) : ReplayRow.table(rows))
        guard let goal = self.goal, let first = means.first, let last = means.last else { return }
        let share = last / max(first, 1e-9)
        let verdict = share <= goal ? "met" : "MISSED"
        print(String(format: "%@: mean TTFT of the last policy is %.3f of the first, goal %.3f", verdict, share, goal))
        if share > goal { throw ExitReason.failed("the goal was missed") }
    }

    private func play(_ policy: PolicyName, _ trace: Trace) -> LivePlay {
        var plan = LiveFleet.Plan()
        plan.replicas = self.replicas
        plan.prefill = self.prefill
        plan.cacheTokens = self.cacheTokens
        plan.routing.policy = policy
        return LivePlay(trace, plan, speed: self.speed)
    }

    /// All policies at the same time: the workers are simulated, so that none takes time from another.
    private func play(_ trace: Trace) async throws -> [(PolicyName, ReplayResult)] {
        let policies = self.chosen.compactMap { $0 }
        return try await withThrowingTaskGroup(of: (Int, ReplayResult).self) { group in
            for (number, policy) in policies.enumerated() {
                let play = self.play(policy, trace)
                group.addTask { (number, try await play.live()) }
            }
            var results: [Int: ReplayResult] = [:]
            for try await (number, result) in group { results[number] = result }
            return policies.indices.compactMap { number in results[number].map { (policies[number], $0) } }
        }
    }
}
