import Replay
import Routing
import Transport
import Wire

/// Plays a trace through a `LiveFleet`, and the same trace through simulated replicas that are alike.
struct LivePlay: Sendable {
    /// Requests with a text.
    let trace: Trace
    let plan: LiveFleet.Plan

    /// - Parameter speed: arrivals come, and workers compute, this many times as fast as the trace and the plan say.
    init(_ trace: Trace, _ plan: LiveFleet.Plan, speed: Double = 1) {
        self.trace = trace.withText.faster(speed)
        self.plan = plan
        self.speed = speed
    }

    private let speed: Double

    private var fastPlan: LiveFleet.Plan {
        var plan = self.plan
        plan.prefill *= self.speed
        plan.routing.expectedTTFT.prefillTokensPerSecond *= self.speed
        plan.routing.expectedTTFT.overheadMs /= self.speed
        return plan
    }

    /// In real time: each request at its arrival, or each when the one before has ended. Times are those of the trace.
    func live(oneByOne: Bool = false) async throws -> ReplayResult {
        let fleet = try await LiveFleet.start(self.fastPlan)
        let callers = LoopGroup(count: 1)
        do {
            let answers = try await self.play(through: fleet, on: callers.loops[0], oneByOne: oneByOne)
            let left = fleet.openStreams
            await fleet.stop()
            await callers.shutdown()
            guard left == 0 else { throw LiveFailure("\(left) streams were left behind") }
            return self.result(answers)
        } catch {
            await fleet.stop()
            await callers.shutdown()
            throw error
        }
    }

    /// On virtual time, by the code that the live proxy runs too.
    func replayed() -> ReplayResult {
        let plan = self.fastPlan
        var fleet = FleetSettings()
        fleet.replicas = plan.replicas
        fleet.replica.cacheTokens = plan.cacheTokens
        fleet.replica.prefillTokensPerSecond = plan.prefill
        fleet.replica.secondsPerOutputToken = 0
        var result = ReplayPolicy.shipped(plan.routing.policy).run(self.trace, fleet, settings: plan.routing)
        result.ttft = result.ttft.map { $0 * self.speed }
        return result
    }

    private struct Answer: Sendable {
        var seconds: Double
        var replica: Int
        var cachedShare: Double
    }

    private func play(through fleet: LiveFleet, on loop: Loop, oneByOne: Bool) async throws -> [Answer] {
        guard !oneByOne else {
            var answers: [Answer] = []
            for request in self.trace.requests { answers.append(try await self.ask(request, fleet, loop)) }
            return answers
        }
        let began = Loop.now
        return try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            for (number, request) in self.trace.requests.enumerated() {
                group.addTask {
                    let atNs = began + UInt64(request.arrivalMs * 1e6)
                    let now = Loop.now
                    if atNs > now { try await Task.sleep(nanoseconds: atNs - now) }
                    return (number, try await self.ask(request, fleet, loop))
                }
            }
            var answers: [Int: Answer] = [:]
            for try await (number, answer) in group { answers[number] = answer }
            return self.trace.requests.indices.compactMap { answers[$0] }
        }
    }

    private func ask(_ request: Trace.Request, _ fleet: LiveFleet, _ loop: Loop) async throws -> Answer {
        let outcome = try await fleet.ask(request.prompt ?? "", on: loop)
        guard outcome.status?.code == .ok, let firstTokenMs = outcome.firstTokenMs,
            let replica = outcome.explanation.flatMap({ fleet.position(of: $0.replica) })
        else { throw LiveFailure("a call failed: \(outcome.end)") }
        let computed = outcome.last.promptMs / 1_000 * self.plan.prefill * self.speed
        let tokens = Double(max(1, outcome.last.promptTokens))
        return Answer(seconds: firstTokenMs / 1_000, replica: replica, cachedShare: max(0, 1 - computed / tokens))
    }

    private func result(_ answers: [Answer]) -> ReplayResult {
        var result = ReplayResult()
        result.ttft = answers.map { $0.seconds * self.speed }
        result.placements = answers.map(\.replica)
        result.hits = answers.map(\.cachedShare)
        result.arrivals = self.trace.requests.map { $0.arrivalMs / 1_000 }
        let tokens = self.trace.requests.reduce(0.0) { $0 + Double($1.inputTokens) }
        let cached = zip(answers, self.trace.requests).reduce(0.0) { $0 + $1.0.cachedShare * Double($1.1.inputTokens) }
        result.hit = cached / max(1, tokens)
        return result
    }
}

/// A trace could not be played.
struct LiveFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
