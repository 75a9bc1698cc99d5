package import Logging
package import Proxy
package import Routing
import Synchronization
package import Telemetry
package import Transport
package import Upstream
package import Wire

/// A proxy on a loopback port in front of scripted workers, put together as the program does.
///
/// `Fleet.run` is the only way to one: it ends every test by asserting that nothing is left behind.
package final class Fleet: Sendable {
    /// What a test may change before the fleet is made.
    package struct Plan: Sendable {
        package var proxy = ProxySettings()
        package var access = ListenerAccess()
        package var cluster = ClusterSettings()
        /// Models of the cluster, and of a second one without replicas of its own workers.
        package var otherClusters: [ClusterSettings] = []
        /// Whether every replica counts as probed from the start.
        package var areProbed = true
        /// Whether a prober runs.
        package var probes = false
        package var loops = 1

        package init() {
            self.cluster.name = "main"
            self.cluster.connections.connectTimeoutMs = 5_000
            self.cluster.probe.retryMs = 5
            // A load that is lost fails its test instead of hanging it.
            self.cluster.model.loadTimeoutMs = 30_000
            self.cluster.probe.intervalMs = 20
            // Workers share this process's cores with all other tests: a slow one does not hang.
            self.cluster.stall.stallAfterMs = 20_000
        }
    }

    package let workers: [ScriptedWorker]
    package let cluster: Cluster
    package let slots: ReplicaSlots
    package let directory: ClusterDirectory
    package let models: ModelLifecycle
    package let runtime: ProxyRuntime
    package let registry: MetricRegistry
    package let accessLog: LogLines
    package let endpoint: Endpoint
    package let upstream: [LoopBound<UpstreamLoop>]
    private let group: LoopGroup
    private let proxies: [LoopBound<ProxyLoop>]
    private let listener: Listener
    private let prober: Task<Void, Never>?
    private let callers = Mutex<[Caller]>([])

    /// Runs `body` with a fleet of these workers, and throws `NotQuiet` when it leaves anything behind.
    package static func run(
        _ behaviors: WorkerBehavior..., plan change: (inout Plan) -> Void = { _ in },
        _ body: @Sendable (Fleet) async throws -> Void
    ) async throws {
        var plan = Plan()
        change(&plan)
        let fleet = try await Fleet(behaviors, plan)
        do {
            try await body(fleet)
        } catch {
            await fleet.stop()
            throw error
        }
        let quiet = await fleet.becomesQuiet()
        await fleet.stop()
        if let problem = quiet { throw problem }
    }

    private init(_ behaviors: [WorkerBehavior], _ plan: Plan) async throws {
        var workers: [ScriptedWorker] = []
        for behavior in behaviors { workers.append(try await ScriptedWorker.start(behavior)) }
        self.workers = workers
        var settings = plan.cluster
        settings.replicas = workers.map { ReplicaSettings(address: $0.endpoint) }
        let registry = MetricRegistry()
        let log = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        self.registry = registry
        let slots = ReplicaSlots()
        self.slots = slots
        let clusters = ([settings] + plan.otherClusters).map {
            Cluster(settings: $0, slots: slots, registry: registry, log: log)
        }
        self.cluster = clusters[0]
        self.directory = ClusterDirectory(clusters: clusters)
        if plan.areProbed {
            for cluster in clusters {
                for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
            }
        }
        let group = LoopGroup(count: plan.loops)
        self.group = group
        let upstream = group.loops.map { LoopBound(UpstreamLoop(on: $0), on: $0) }
        self.upstream = upstream
        let models = clusters.map { ModelLifecycle(cluster: $0, loops: upstream) }
        self.models = models[0]
        self.accessLog = LogLines()
        let runtime = ProxyRuntime(
            settings: plan.proxy, directory: self.directory, models: models,
            metrics: ProxyMetrics(clusters: clusters.map(\.name), registry: registry),
            accessLog: AccessLog(format: .text, sink: self.accessLog, metrics: registry))
        self.runtime = runtime
        let proxies = zip(group.loops, upstream).map { loop, upstream in
            LoopBound(ProxyLoop(on: loop, runtime: runtime, upstream: upstream.unbound), on: loop)
        }
        self.proxies = proxies
        let access = plan.access
        self.listener = try await Listener.bind(.anyPort, on: group) { loop in
            proxies[loop.index].value.accept(listener: "test", access: access)
        }
        self.endpoint = self.listener.endpoint
        let prober = Prober(cluster: clusters[0], loops: upstream, models: models[0])
        self.prober = plan.probes ? Task { await prober.run() } : nil
    }

    // MARK: Calling

    package subscript(_ position: Int) -> ScriptedWorker { self.workers[position] }

    package func replica(_ position: Int) -> Replica { self.cluster.replicas[position] }

    /// A new connection to the proxy, closed with the fleet.
    package func caller(window: Int = 256 * 1024) async throws -> Caller {
        let caller = try await Caller.connect(to: self.endpoint, window: window)
        self.callers.withLock { $0.append(caller) }
        return caller
    }

    /// One unary call on a connection of its own.
    package func call(
        _ method: String, _ body: [UInt8], headers: ScriptedAnswer.Fields = []
    ) async throws -> CallResult {
        try await self.caller().call("/backend.Backend/\(method)", body, headers: headers)
    }

    /// A Predict with this prompt.
    package func predict(
        _ prompt: String, model: String = "", headers: ScriptedAnswer.Fields = []
    ) async throws -> CallResult {
        try await self.call("Predict", Self.predictBody(prompt, model: model), headers: headers)
    }

    package static func predictBody(_ prompt: String, model: String = "") -> [UInt8] {
        var options = PredictOptions()
        options.prompt = Array(prompt.utf8)
        options.modelIdentity = Array(model.utf8)
        return GRPCFrame.framed(options.encoded())
    }

    package static func loadBody(_ model: String) -> [UInt8] {
        var options = ModelOptions()
        options.model = Array(model.utf8)
        return GRPCFrame.framed(options.encoded())
    }

    /// Which worker answered, by its position.
    package func position(of result: CallResult) -> Int? {
        self.workers.firstIndex { $0.endpoint.description == result.worker }
    }

    // MARK: What is open

    package var leases: Int { self.directory.clusters.reduce(0) { $0 + $1.totalInFlight } }
    package var bufferedBytes: Int { self.upstream.reduce(0) { $0 + $1.unbound.account.bytes } }

    /// The value of a counter or gauge line of the metrics page.
    package func metric(_ line: String) -> Int? {
        let prefix = line + " "
        return self.registry.exposition().split(separator: "\n").first { $0.hasPrefix(prefix) }
            .flatMap { Int($0.dropFirst(prefix.count)) }
    }

    package func connectionCount() async -> Int {
        var count = 0
        for proxy in self.proxies { count += await proxy.loop.run { proxy.value.connectionCount } }
        return count
    }

    /// First step of a drain, on every loop.
    package func startDrain() async {
        for proxy in self.proxies { await proxy.loop.run { proxy.value.startDrain() } }
    }

    /// Second step.
    package func finishDrain() async {
        for proxy in self.proxies { await proxy.loop.run { proxy.value.finishDrain() } }
    }

    /// Last step: cuts what is open.
    package func abort() async {
        for proxy in self.proxies { await proxy.loop.run { proxy.value.abort() } }
    }

    /// What is not zero although nobody calls.
    package func notQuiet() async -> [String] {
        var left: [String] = []
        func check(_ count: Int, _ name: String) { if count != 0 { left.append("\(count) \(name)") } }
        check(self.leases, "leases")
        check(self.directory.clusters.reduce(0) { $0 + $1.waitingCount }, "waiting streams")
        check(self.runtime.metrics.activeStreams.value, "active streams")
        check(self.runtime.metrics.heldBytes.value, "held bytes")
        check(self.bufferedBytes, "buffered bytes")
        return left
    }

    /// Closes the callers and waits until no lease, stream, buffered byte or connection of theirs is left.
    private func becomesQuiet() async -> NotQuiet? {
        for caller in self.callers.withLock({ $0 }) { await caller.close() }
        do {
            try await until("the fleet is quiet") {
                let connections = await self.connectionCount()
                let left = await self.notQuiet()
                return connections == 0 && left.isEmpty
            }
            return nil
        } catch {
            let connections = await self.connectionCount()
            return NotQuiet(left: await self.notQuiet() + ["\(connections) connections"])
        }
    }

    private func stop() async {
        for caller in self.callers.withLock({ $0 }) { await caller.close() }
        self.prober?.cancel()
        await self.listener.close()
        await self.abort()
        for worker in self.workers { await worker.stop() }
        await self.prober?.value
        await self.group.shutdown()
    }
}

/// Something was left behind.
package struct NotQuiet: Error, CustomStringConvertible {
    package let left: [String]
    package var description: String { "left behind: " + self.left.joined(separator: ", ") }
}

/// Keeps the access log's lines.
package final class LogLines: AccessLogSink {
    private let text = Mutex("")

    package func write(_ bytes: [UInt8]) throws {
        self.text.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
    }

    package var lines: [String] { self.text.withLock { $0 }.split(separator: "\n").map(String.init) }
}
