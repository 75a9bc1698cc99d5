internal import Routing
internal import Transport
public import Wire

/// Calls that go to every replica of a cluster and come back as one answer: Status, GetMetrics, and writes to stores.
public actor FleetCalls {
    private let cluster: Cluster
    private let loops: [LoopBound<UpstreamLoop>]
    private var statusSurvey = Survey<UInt64>()
    private var metricsSurvey = Survey<MetricsAnswer>()
    /// Writes go one after the other, so that every replica sees them in the same order.
    private var lastWrite: Task<Void, Never>?
    /// Memory that each replica said it uses when it was asked last, in bytes.
    private var memory: [ReplicaID: UInt64] = [:]

    /// Answers are this fresh at least: callers that ask often cost the replicas one question per second.
    private static let freshNs: UInt64 = 1_000_000_000
    /// Some workers answer these between two tokens of a Predict only, or not at all.
    private static let surveyTimeoutMs = 1_000

    public enum MetricsAnswer: Sendable {
        case metrics(MetricsResponse)
        /// No replica had any; the status of one of them.
        case failed(GRPCStatusCode, String)
    }

    init(cluster: Cluster, loops: [LoopBound<UpstreamLoop>]) {
        self.cluster = cluster
        self.loops = loops
    }

    /// One question that several callers share.
    private struct Survey<Value: Sendable> {
        var last: (value: Value, atNs: UInt64)?
        var underWay: Task<Value, Never>?
    }

    // MARK: Questions

    /// READY if a replica is free, BUSY if all have streams, UNINITIALIZED if none holds a model, ERROR if none can be
    /// reached; the memory that they use together. The state is ours: workers confuse busy with ready.
    public func status() async -> StatusResponse {
        let state = self.cluster.statusState
        guard state != .error else { return StatusResponse(state: .error) }
        return StatusResponse(state: state, memoryBytes: await self.memoryBytes())
    }

    private func memoryBytes() async -> UInt64 {
        if let last = self.statusSurvey.last, Loop.now - last.atNs < Self.freshNs { return last.value }
        if let task = self.statusSurvey.underWay { return await task.value }
        let task = Task {
            for (replica, answer) in await self.ask(BackendPath.status) {
                guard case .status(.ok, _, let message) = answer,
                    let status = try? StatusResponse(decoding: message)
                else { continue }
                if !replica.isGone { self.memory[replica.id] = status.memoryBytes }
            }
            let sum = self.memory.values.reduce(UInt64(0)) { sum, bytes in
                let (total, overflows) = sum.addingReportingOverflow(bytes)
                return overflows ? .max : total
            }
            self.statusSurvey = Survey(last: (sum, Loop.now))
            return sum
        }
        self.statusSurvey.underWay = task
        return await task.value
    }

    /// The figures of all replicas added up; rates too, since they work side by side. Slot and prompt are left out: they
    /// are those of one worker.
    public func metrics() async -> MetricsAnswer {
        if let last = self.metricsSurvey.last, Loop.now - last.atNs < Self.freshNs { return last.value }
        if let task = self.metricsSurvey.underWay { return await task.value }
        let task = Task {
            let value = Self.sum(await self.ask(BackendPath.getMetrics))
            self.metricsSurvey = Survey(last: (value, Loop.now))
            return value
        }
        self.metricsSurvey.underWay = task
        return await task.value
    }

    private static func sum(_ answers: [(Replica, UnaryCall.Answer)]) -> MetricsAnswer {
        var sum = MetricsResponse()
        var answered = 0
        var failure = (code: GRPCStatusCode.aborted, text: "no replica answered in time")
        for (_, answer) in answers {
            guard case .status(let code, let text, let message) = answer else { continue }
            guard code == .ok, let metrics = try? MetricsResponse(decoding: message) else {
                failure = code == .ok ? (.internal, "an answer is no MetricsResponse") : (code, text)
                continue
            }
            answered += 1
            sum.tokensPerSecond += metrics.tokensPerSecond
            sum.tokensGenerated = sum.tokensGenerated.addingSaturating(metrics.tokensGenerated)
            sum.promptTokensProcessed = sum.promptTokensProcessed.addingSaturating(metrics.promptTokensProcessed)
        }
        return answered > 0 ? .metrics(sum) : .failed(failure.code, failure.text)
    }

    /// The replica is gone.
    func forget(_ replica: Replica) { self.memory[replica.id] = nil }

    // MARK: Writes

    /// What came of a write to every replica.
    public enum WriteAnswer: Sendable {
        /// Every replica that can be reached has it; the encoded message of one of them.
        case written([UInt8])
        case failed(GRPCStatusCode, String)
    }

    /// Sends `message` to every replica that can be reached, after the writes before it. Fails when one of them fails.
    public func write(_ path: String, _ message: [UInt8]) async -> WriteAnswer {
        let before = self.lastWrite
        let task = Task {
            await before?.value
            return Self.written(await self.ask(path, message, timeoutMs: 0))
        }
        self.lastWrite = Task { _ = await task.value }
        return await task.value
    }

    private static func written(_ answers: [(Replica, UnaryCall.Answer)]) -> WriteAnswer {
        var first: [UInt8]?
        for (replica, answer) in answers {
            switch answer {
            case .status(.ok, _, let message): first = first ?? message
            case .status(let code, let text, _): return .failed(code, "[\(replica.name)]: \(text)")
            case .deadlineExceeded: return .failed(.deadlineExceeded, "[\(replica.name)]: no answer in time")
            // Its store is gone with it; the next write finds it again or not at all.
            case .failed: continue
            }
        }
        return first.map { .written($0) } ?? .failed(.aborted, "no replica took the write")
    }

    /// Asks all replicas at once that are not known to be out.
    private func ask(
        _ path: String, _ message: [UInt8] = [], timeoutMs: Int = FleetCalls.surveyTimeoutMs
    ) async -> [(Replica, UnaryCall.Answer)] {
        let (cluster, loops) = (self.cluster, self.loops)
        return await withTaskGroup(of: (Replica, UnaryCall.Answer).self) { group in
            for replica in cluster.reachableReplicas {
                group.addTask {
                    let answer = await UnaryCall.call(
                        path, message, of: replica, in: cluster, on: loops[replica.slot % loops.count],
                        timeoutMs: timeoutMs, isCounted: true)
                    return (replica, answer)
                }
            }
            var answers: [(Replica, UnaryCall.Answer)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0.id < $1.0.id }
        }
    }
}

extension Int32 {
    fileprivate func addingSaturating(_ other: Int32) -> Int32 {
        let (sum, overflows) = self.addingReportingOverflow(other)
        return overflows ? (other > 0 ? .max : .min) : sum
    }
}
