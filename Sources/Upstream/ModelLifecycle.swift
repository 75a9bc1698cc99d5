import Logging
import Routing
package import Transport
package import Wire

/// Loads a cluster's model on its replicas, and back onto replicas that come without it.
///
/// LoadModel is dangerous: at a busy worker it kills the process, two at once as well, and at an idle one it drops the
/// whole KV cache. So it is sent to one replica at a time only once, never to a replica that holds the same options, and
/// never while streams are open there: the replica leaves the candidates and is waited for.
package actor ModelLifecycle {
    private let cluster: Cluster
    private let loops: [LoopBound<UpstreamLoop>]
    private var remembered: Options?
    /// The load that is under way at a replica, by its id.
    private var underWay: [ReplicaID: UnderWay] = [:]
    private var failures: [ReplicaID: Failure] = [:]

    private struct UnderWay {
        let digest: UInt64
        let task: Task<LoadResult, Never>
    }

    /// A failed load is not tried again by itself before `retryAtNs`: 10 s at first, doubling up to 5 min.
    private struct Failure {
        var count: Int
        var retryAtNs: UInt64
    }

    private struct Options: Sendable {
        let message: [UInt8]
        let digest: UInt64
        let model: [UInt8]
        /// Streams that a replica works on at a time; nil: the options do not say.
        let slots: Int?
    }

    /// What came of a load at one replica.
    package enum LoadResult: Sendable, Equatable {
        case loaded
        case failed(GRPCStatusCode, String)
    }

    package init(cluster: Cluster, loops: [LoopBound<UpstreamLoop>]) {
        self.cluster = cluster
        self.loops = loops
    }

    /// The answer to a downstream LoadModel.
    package enum Report: Sendable, Equatable {
        case success(String)
        case failure(GRPCStatusCode, String)
        case malformed
    }

    /// Loads `message`, an encoded ModelOptions, on every replica and remembers it. Succeeds when one replica did.
    package func load(_ message: [UInt8]) async -> Report {
        guard let decoded = try? ModelOptions(decoding: message) else { return .malformed }
        let options = Options(
            message: message, digest: PrefixChain.digest(message), model: decoded.model, slots: decoded.slots)
        self.remembered = options
        let cluster = self.cluster
        let results = await withTaskGroup(of: (Replica, LoadResult).self) { group in
            for replica in cluster.replicas {
                group.addTask { (replica, await self.load(options, on: replica)) }
            }
            var results: [(Replica, LoadResult)] = []
            for await result in group { results.append(result) }
            return results
        }
        return Self.report(results.sorted { $0.0.id < $1.0.id })
    }

    /// Forgets the options, so that nothing is replayed, and sends Free to every replica.
    package func free() async {
        self.remembered = nil
        let (cluster, loops) = (self.cluster, self.loops)
        await withTaskGroup(of: Void.self) { group in
            for replica in cluster.replicas {
                group.addTask {
                    // UNIMPLEMENTED is normal: many workers have no Free.
                    _ = await UnaryCall.call(
                        BackendPath.free, [], of: replica, in: cluster, on: loops[replica.slot % loops.count],
                        timeoutMs: 5_000)
                    cluster.setModel(of: replica, .unasked, why: "freed")
                }
            }
        }
    }

    /// Brings the remembered model back to a replica that answers but may be without it. Called after each probe.
    func restore(_ replica: Replica) async {
        guard self.cluster.health(of: replica) == .available else { return }
        switch self.cluster.model(of: replica) {
        case .unasked, .loading, .loaded: return
        case .unchecked, .restarted, .missing: ()
        }
        guard let options = self.remembered else {
            self.cluster.setModel(of: replica, .unasked, why: "no model was asked for")
            return
        }
        if self.cluster.model(of: replica) != .missing {
            switch await self.ask(replica, options) {
            case .holdsModel:
                self.cluster.setSlots(of: replica, options.slots)
                self.cluster.setModel(of: replica, .loaded(options.digest), why: "still holds its model")
                return
            case .noAnswer: return
            case .holdsAnother:
                // The port belongs to another model's worker now: loading ours there would take that one away.
                self.cluster.setModel(of: replica, .restarted, why: "model identity mismatch")
                return
            case .lacksModel: self.cluster.setModel(of: replica, .missing, why: "model not loaded")
            }
        }
        if let failure = self.failures[replica.id], Loop.now < failure.retryAtNs { return }
        _ = await self.load(options, on: replica)
    }

    private enum Question { case holdsModel, lacksModel, holdsAnother, noAnswer }

    /// Asks with the one cheap call that needs a model: Health says OK without one.
    private func ask(_ replica: Replica, _ options: Options) async -> Question {
        var question = PredictOptions()
        question.prompt = Array("a".utf8)
        question.modelIdentity = options.model
        let answer = await self.call(
            BackendPath.tokenizeString, question.encoded(), replica,
            timeoutMs: self.cluster.settings.probe.deadlineMs)
        switch answer {
        case .status(.failedPrecondition, _, _): return .lacksModel
        case .status(.notFound, _, _): return .holdsAnother
        case .status: return .holdsModel
        case .deadlineExceeded, .failed: return .noAnswer
        }
    }

    private func load(_ options: Options, on replica: Replica) async -> LoadResult {
        while let current = self.underWay[replica.id] {
            let result = await current.task.value
            if current.digest == options.digest { return result }
        }
        if self.cluster.model(of: replica) == .loaded(options.digest) { return .loaded }
        let task = Task {
            // Cleared before the task ends: waiting for a task that has ended does not give way to anyone.
            defer { self.underWay[replica.id] = nil }
            return await self.loadNow(options, on: replica)
        }
        self.underWay[replica.id] = UnderWay(digest: options.digest, task: task)
        return await task.value
    }

    private func loadNow(_ options: Options, on replica: Replica) async -> LoadResult {
        let before = self.cluster.model(of: replica)
        if self.cluster.health(of: replica) == .unreachable {
            self.cluster.setModel(of: replica, .missing, why: "waits for its model")
            return .failed(.unavailable, "unreachable; the model is loaded when it is back")
        }
        self.cluster.setModel(of: replica, .loading, why: "loading")
        guard await self.waitUntilIdle(replica) else {
            self.cluster.setModel(of: replica, before, why: "load given up: streams are open")
            return .failed(.aborted, "streams stayed open for \(self.cluster.settings.model.drainTimeoutMs) ms")
        }
        let answer = await self.call(
            BackendPath.loadModel, options.message, replica, timeoutMs: self.cluster.settings.model.loadTimeoutMs)
        let result = Self.result(of: answer)
        switch result {
        case .loaded:
            self.failures[replica.id] = nil
            self.cluster.setSlots(of: replica, options.slots)
            self.cluster.setModel(of: replica, .loaded(options.digest), why: "loaded")
            self.cluster.metrics.loaded(replica.name, "success")
        case .failed(let code, _):
            let count = (self.failures[replica.id]?.count ?? 0) + 1
            let pauseNs = min(UInt64(300), UInt64(10) << UInt64(min(count - 1, 5))) * 1_000_000_000
            self.failures[replica.id] = Failure(count: count, retryAtNs: Loop.now + pauseNs)
            self.cluster.setModel(of: replica, .missing, why: "load failed")
            self.cluster.metrics.loaded(replica.name, "failure")
            self.cluster.log.warning(
                "model load failed",
                metadata: [
                    "cluster": "\(self.cluster.name)", "replica": "\(replica.name)", "status": "\(code.name)",
                ])
        }
        return result
    }

    /// Whether the replica's last stream ended in time. It gets no new ones meanwhile.
    private func waitUntilIdle(_ replica: Replica) async -> Bool {
        let deadline = Loop.now + UInt64(self.cluster.settings.model.drainTimeoutMs) * 1_000_000
        while self.cluster.inFlight(of: replica) > 0 {
            guard Loop.now < deadline, (try? await Task.sleep(for: .milliseconds(5))) != nil else { return false }
        }
        return true
    }

    private func call(_ path: String, _ message: [UInt8], _ replica: Replica, timeoutMs: Int) async -> UnaryCall.Answer
    {
        await UnaryCall.call(
            path, message, of: replica, in: self.cluster, on: self.loops[replica.slot % self.loops.count],
            timeoutMs: timeoutMs)
    }

    private static func result(of answer: UnaryCall.Answer) -> LoadResult {
        switch answer {
        case .status(.ok, _, let message):
            guard let result = try? BackendResult(decoding: message) else {
                return .failed(.internal, "its answer is no Result")
            }
            // Some workers report a failed load as OK with success = false.
            return result.success ? .loaded : .failed(.internal, result.message)
        case .status(let code, let text, _): return .failed(code, text)
        case .deadlineExceeded: return .failed(.deadlineExceeded, "no answer in time")
        case .failed(let failure): return .failed(.aborted, failure.name)
        }
    }

    /// One answer for all: success if any replica has the model, else the first failure's status with every text.
    private static func report(_ results: [(Replica, LoadResult)]) -> Report {
        var failures: [String] = []
        var code = GRPCStatusCode.unavailable
        for (replica, result) in results {
            guard case .failed(let itsCode, let text) = result else { continue }
            if failures.isEmpty || code == .unavailable { code = itsCode }
            failures.append("[\(replica.name)]: \(text)")
        }
        let loaded = results.count - failures.count
        guard loaded > 0 else { return .failure(code, failures.joined(separator: "; ")) }
        let summary = "loaded on \(loaded) of \(results.count) replicas"
        return .success(failures.isEmpty ? summary : summary + "; " + failures.joined(separator: "; "))
    }
}
