import Logging
import Routing
public import Transport
public import Wire

/// Loads a cluster's model on its replicas, and back onto replicas that come without it.
///
/// LoadModel is dangerous: at a busy worker it kills the process, two at once as well, and at an idle one it drops the
/// whole KV cache. So it is sent to one replica at a time only once, never to a replica that holds the same options, and
/// never while streams are open there: the replica leaves the candidates and is waited for, while others go on serving.
/// `ModelLifecycle+Loading` does it for one replica.
public actor ModelLifecycle {
    let cluster: Cluster
    let loops: [LoopBound<UpstreamLoop>]
    /// Shared with the cluster's prober.
    public nonisolated let probes: ReplicaProbes
    /// What else goes to every replica.
    public nonisolated let fleet: FleetCalls
    private let memory: (any ModelMemory)?
    private(set) var remembered: Options?
    /// LoadModels of callers that are under way: what their waves leave for later is not to be hurried.
    private var callersLoads = 0
    /// The load that is under way at a replica, by its id.
    var underWay: [ReplicaID: UnderWay] = [:]
    var failures: [ReplicaID: Failure] = [:]
    /// What each replica loaded last, through us.
    var held: [ReplicaID: Options] = [:]

    struct UnderWay {
        let digest: UInt64
        let result: SharedResult<LoadResult>
    }

    /// A failed load is not tried again before `retryAtNs`.
    struct Failure {
        var digest: UInt64
        var count: Int
        var retryAtNs: UInt64
        var code: GRPCStatusCode
        var text: String
    }

    struct Options: Sendable {
        let message: [UInt8]
        let digest: UInt64
        let model: [UInt8]
        /// Requests that a replica works on side by side, where the options say so.
        let slots: Int?

        /// Nil when `message` is no ModelOptions.
        init?(_ message: [UInt8]) {
            guard let decoded = try? ModelOptions(decoding: message) else { return nil }
            self.message = message
            self.digest = PrefixChain.digest(message)
            self.model = decoded.model
            self.slots = decoded.slots
        }
    }

    /// What came of a load at one replica.
    public enum LoadResult: Sendable, Equatable {
        case loaded
        case failed(GRPCStatusCode, String)
    }

    /// The answer to a downstream LoadModel or Free.
    public enum Report: Sendable, Equatable {
        case success(String)
        case failure(GRPCStatusCode, String)
        case malformed
    }

    /// - Parameter memory: what it recalls is taken for what the replicas hold, once they have been asked.
    public init(cluster: Cluster, loops: [LoopBound<UpstreamLoop>], memory: (any ModelMemory)? = nil) {
        self.cluster = cluster
        self.loops = loops
        self.probes = ReplicaProbes(cluster: cluster, loops: loops)
        self.fleet = FleetCalls(cluster: cluster, loops: loops)
        self.memory = memory
        guard let options = memory?.recall().flatMap({ Options($0) }) else { return }
        self.remembered = options
        cluster.expect(model: options.model)
        for replica in cluster.replicas {
            self.held[replica.id] = options
            cluster.setModel(of: replica, .unchecked, why: "remembered")
        }
    }

    // MARK: - What callers ask for

    /// Loads `message`, an encoded ModelOptions, on every replica and remembers it. Who does not wait any longer cancels
    /// its task; the loads go on.
    public func load(_ message: [UInt8]) async -> Report {
        guard let options = Options(message) else { return .malformed }
        let before = self.remembered
        self.remember(options)
        self.callersLoads += 1
        defer { self.callersLoads -= 1 }
        var results: [(Replica, LoadResult)] = []
        let waves = self.waves(of: options)
        for (number, wave) in waves.enumerated() {
            if number > 0, !results.contains(where: { $0.1 == .loaded }) {
                // What cannot be loaded is not worth another model.
                results += wave.map { ($0, .failed(.aborted, "keeps its model, since the load failed elsewhere")) }
                continue
            }
            results += await self.load(options, on: wave)
        }
        let report = self.report(results.sorted { $0.0.id < $1.0.id })
        // A load that failed everywhere changes nothing: those that lost their model meanwhile get the old one back.
        if !results.contains(where: { $0.1 == .loaded }), !Task.isCancelled, let before,
            self.remembered?.digest == options.digest
        {
            self.remember(before)
        }
        return report
    }

    /// Forgets the options, so that nothing is replayed, and sends Free to every replica.
    /// - Parameter drains: waits for the streams of each replica before.
    public func free(drains: Bool = false) async -> Report {
        self.remember(nil)
        let cluster = self.cluster
        let results = await withTaskGroup(of: (Replica, LoadResult).self) { group in
            for replica in cluster.replicas {
                group.addTask { (replica, await self.free(replica, drains: drains)) }
            }
            var results: [(Replica, LoadResult)] = []
            for await result in group { results.append(result) }
            return results
        }
        let failures = Self.texts(of: results.sorted { $0.0.id < $1.0.id })
        guard drains, let first = failures.first else { return .success("freed") }
        return .failure(first.code, failures.map(\.text).joined(separator: "; "))
    }

    // MARK: - What goes on by itself

    /// Brings the remembered model back to a replica that answers but may be without it, or holds another one. Called
    /// after each probe.
    func restore(_ replica: Replica) async {
        guard self.cluster.health(of: replica) == .available, !self.cluster.isDraining(replica) else { return }
        switch self.cluster.model(of: replica) {
        case .unasked, .loading: return
        case .loaded(let digest):
            // A reload that this replica could not take part in.
            guard self.callersLoads == 0, let options = self.remembered, options.digest != digest else { return }
        case .unchecked, .restarted, .missing, .another: ()
        }
        guard let options = self.remembered else { return await self.takeBack(replica) }
        _ = await self.load(options, on: replica)
    }

    /// The remembered model on a replica that was found without it. Whether it is there now.
    public func bringBack(_ replica: Replica) async -> Bool {
        guard let options = self.remembered else { return false }
        return await self.load(options, on: replica) == .loaded
    }

    /// A replica that nobody asked for a model is taken as it is, unless it serves another model than callers name.
    private func takeBack(_ replica: Replica) async {
        if self.cluster.model(of: replica) == .another, let wanted = self.cluster.expectedModel {
            guard await self.ask(replica, about: wanted) == .holdsModel else { return }
        }
        self.cluster.setModel(of: replica, .unasked, why: "no model was asked for")
    }

    /// The replica is gone.
    func forget(_ replica: Replica) async {
        self.underWay[replica.id] = nil
        self.failures[replica.id] = nil
        self.held[replica.id] = nil
        await self.fleet.forget(replica)
    }

    // MARK: - Private

    private func remember(_ options: Options?) {
        let isNew = self.remembered?.digest != options?.digest
        self.remembered = options
        self.cluster.expect(model: options?.model)
        if isNew { self.memory?.remember(options?.message) }
    }

    /// Which replicas load at the same time. Those that serve another model are reloaded in two halves, so that one half
    /// goes on serving.
    private func waves(of options: Options) -> [[Replica]] {
        var others: [Replica] = []
        var serving: [Replica] = []
        // One that drains takes nothing new; when it is back it is brought up to date.
        for replica in self.cluster.replicas where !self.cluster.isDraining(replica) {
            if case .loaded(let digest) = self.cluster.model(of: replica), digest != options.digest {
                serving.append(replica)
            } else {
                others.append(replica)
            }
        }
        let half = (serving.count + 1) / 2
        let first = others + serving.prefix(half)
        return half < serving.count ? [first, Array(serving.dropFirst(half))] : [first]
    }

    private func load(_ options: Options, on replicas: [Replica]) async -> [(Replica, LoadResult)] {
        await withTaskGroup(of: (Replica, LoadResult).self) { group in
            for replica in replicas {
                group.addTask { (replica, await self.load(options, on: replica)) }
            }
            var results: [(Replica, LoadResult)] = []
            for await result in group { results.append(result) }
            return results
        }
    }

    /// One answer for all: what the success rule makes of it, with every failure's text.
    private func report(_ results: [(Replica, LoadResult)]) -> Report {
        let failures = Self.texts(of: results)
        let loaded = results.count - failures.count
        let wanted =
            switch self.cluster.settings.model.successRule {
            case .any: 1
            case .quorum: results.count / 2 + 1
            case .all: max(1, results.count)
            }
        let texts = failures.map(\.text).joined(separator: "; ")
        guard loaded >= wanted else {
            // The first failure that says more than that nobody was there.
            let telling = failures.first { $0.code != .unavailable } ?? failures.first
            return .failure(telling?.code ?? .unavailable, texts)
        }
        let summary = "loaded on \(loaded) of \(results.count) replicas"
        return .success(failures.isEmpty ? summary : summary + "; " + texts)
    }

    private static func texts(of results: [(Replica, LoadResult)]) -> [(code: GRPCStatusCode, text: String)] {
        results.compactMap { replica, result in
            guard case .failed(let code, let text) = result else { return nil }
            return (code, "[\(replica.name)]: \(text)")
        }
    }
}
