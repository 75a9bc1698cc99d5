import Connection
import DemoWorker
import Logging
import Proxy
import Routing
import Telemetry
import Transport
import Upstream
import Wire

/// Embedded workers with a proxy in front of them, all in this process and over real sockets of the loopback interface:
/// what a trace is played through. Stopped by whoever started it.
final class LiveFleet: Sendable {
    /// What the workers can do, and how the proxy picks.
    struct Plan: Sendable {
        var replicas = 4
        /// Tokens per second.
        var prefill = 8_000.0
        var cacheTokens = 200_000
        var routing = RoutingSettings()
    }

    let endpoint: Endpoint
    let cluster: Cluster
    let registry: MetricRegistry
    private let workers: [DemoWorkerServer]
    private let group: LoopGroup
    private let proxies: [LoopBound<ProxyLoop>]
    private let listener: Listener

    private init(
        cluster: Cluster, registry: MetricRegistry, workers: [DemoWorkerServer], group: LoopGroup,
        proxies: [LoopBound<ProxyLoop>], listener: Listener
    ) {
        self.endpoint = listener.endpoint
        self.cluster = cluster
        self.registry = registry
        self.workers = workers
        self.group = group
        self.proxies = proxies
        self.listener = listener
    }

    static func start(_ plan: Plan) async throws -> LiveFleet {
        var workers: [DemoWorkerServer] = []
        for _ in 0..<plan.replicas { workers.append(try await DemoWorkerServer.start(self.worker(plan)) { _ in }) }
        var settings = ClusterSettings()
        settings.name = "live"
        settings.routing = plan.routing
        settings.replicas = workers.map { ReplicaSettings(address: $0.endpoint) }
        let registry = MetricRegistry()
        let log = Logger(label: "live") { _ in SwiftLogNoOpLogHandler() }
        let cluster = Cluster(settings: settings, slots: ReplicaSlots(), registry: registry, log: log)
        // Nobody probes: the workers are there until they are stopped.
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }

        let group = LoopGroup(count: 2)
        let upstream = group.loops.map { LoopBound(UpstreamLoop(on: $0), on: $0) }
        let runtime = ProxyRuntime(
            settings: ProxySettings(), loopCount: group.loops.count, directory: ClusterDirectory(clusters: [cluster]),
            models: [ModelLifecycle(cluster: cluster, loops: upstream)],
            metrics: ProxyMetrics(clusters: [cluster.name], registry: registry),
            accessLog: AccessLog(format: .off, sink: NoLog(), metrics: registry), log: log)
        let proxies = zip(group.loops, upstream).map { loop, upstream in
            LoopBound(ProxyLoop(on: loop, runtime: runtime, upstream: upstream.unbound), on: loop)
        }
        let listener = try await Listener.bind(Endpoint(.host("127.0.0.1", port: 0)), on: group) { loop in
            proxies[loop.index].value.accept(listener: "live")
        }
        return LiveFleet(
            cluster: cluster, registry: registry, workers: workers, group: group, proxies: proxies, listener: listener)
    }

    /// One prompt after the other, each answered by one token: what is simulated is the way to the first one.
    private static func worker(_ plan: Plan) -> WorkerSettings {
        var settings = WorkerSettings()
        settings.listen = Endpoint(.host("127.0.0.1", port: 0))
        settings.model = "live"
        settings.slots = 1
        settings.prefillTokensPerSecond = plan.prefill
        settings.decodeTokensPerSecond = 0
        settings.cacheTokens = plan.cacheTokens
        settings.contextTokens = 10_000_000
        return settings
    }

    /// Asks for one token, and says who answered.
    func ask(_ prompt: String, on loop: Loop) async throws -> PredictRun.Outcome {
        var options = PredictOptions()
        options.prompt = Array(prompt.utf8)
        options.tokens = 1
        options.promptCacheAll = true
        var request = PredictRun.request(options)
        request.timeoutMs = 600_000
        return try await PredictRun.run(request, at: self.endpoint, on: loop) { _ in }
    }

    /// The position of a replica that an answer names.
    func position(of replica: String) -> Int? { self.cluster.replicas.firstIndex { $0.name == replica } }

    /// Leases and waiting streams that are out, which are none when nobody asks.
    var openStreams: Int { self.cluster.totalInFlight + self.cluster.waitingCount }

    func stop() async {
        await self.listener.close()
        for proxy in self.proxies { await proxy.loop.run { proxy.value.abort() } }
        for worker in self.workers { await worker.stop() }
        await self.group.shutdown()
    }

    private struct NoLog: AccessLogSink {
        func write(_ bytes: [UInt8]) throws {}
    }
}
