import Admin
import Config
import Logging
import Proxy
import Synchronization
import Telemetry
import Transport
import Upstream
import Wire

/// Takes up new settings while the process runs, all that can change or nothing, and drops no stream for it.
///
/// ```
/// signal, file, API ──► read all of it ──► merge ──► prepare TLS ──► apply, generation + 1
///                           └───── any problem: told, counted, nothing changes ─────┘
/// ```
/// One reload after the other. What is read on the path of a stream is replaced whole, loop by loop: a stream keeps what
/// it began with.
actor Reloader {
    /// Who asks.
    enum Cause: String, Sendable {
        case signal
        case file
        case api
    }

    /// Everything that takes up something.
    struct Parts: Sendable {
        /// In the order of the settings, as the listeners of `tokens` and `certificates` are.
        let clusters: [Cluster]
        let upstream: [LoopBound<UpstreamLoop>]
        let proxies: [LoopBound<ProxyLoop>]
        let runtime: ProxyRuntime
        let certificates: CertificateReloader
        let tokens: TokenReloader
        let discovery: DiscoveryService
        let accessLog: AccessLog
        let events: EventLog
        let sight: Sight
    }

    private let parts: Parts
    private let load: @Sendable () throws -> ServeSettings
    private let mayLogToFile: Bool
    private var current: ServeSettings
    private var last: Task<ReloadReport, Never>?
    private let metrics: ReloadMetrics
    private let log: Logger

    /// - Parameters:
    ///   - settings: those in use.
    ///   - load: reads the settings again as they were read at the start.
    init(
        _ parts: Parts, settings: ServeSettings, registry: MetricRegistry, log: Logger,
        load: @escaping @Sendable () throws -> ServeSettings
    ) {
        self.parts = parts
        self.current = settings
        self.load = load
        self.mayLogToFile = settings.accessLog.enabled || settings.accessLog.path == nil
        self.metrics = ReloadMetrics(generation: settings.generation, registry: registry)
        self.log = log
    }

    /// What came of it; after the reloads that were asked for before.
    func reload(_ cause: Cause) async -> ReloadReport {
        let before = self.last
        let task = Task {
            _ = await before?.value
            return await self.reloadNow(cause)
        }
        self.last = task
        return await task.value
    }

    private func reloadNow(_ cause: Cause) async -> ReloadReport {
        let wanted: ServeSettings
        do {
            wanted = try self.load()
        } catch let problems as ConfigProblems {
            // Which of the token files are of no use is counted by owner as well.
            self.parts.tokens.check()
            return self.refuse(
                problems.problems.map { .init(path: $0.variable ?? $0.path, line: $0.line, text: $0.text) }, cause)
        } catch {
            return self.refuse([.init(path: "", line: nil, text: "\(error)")], cause)
        }
        let merge = SettingsMerge(self.current, wanted, mayLogToFile: self.mayLogToFile)
        let certificates: [CertificateReloader.Prepared]
        switch self.parts.certificates.prepare(merge.applied) {
        case .prepared(let prepared): certificates = prepared
        case .problems(let problems): return self.refuse(problems, cause)
        }
        var changed = merge.changed
        for one in certificates where one.isNew && !changed.contains(where: { $0.hasPrefix(one.path) }) {
            changed.append(one.path)
        }
        guard !changed.isEmpty else { return self.unchanged(merge.restartRequired, cause) }
        var applied = merge.applied
        applied.generation = self.current.generation + 1
        let replicas = await self.apply(applied, certificates)
        self.current = applied
        return self.succeeded(changed, merge.restartRequired, replicas, cause)
    }

    // MARK: - Applying

    /// Nothing here can fail.
    private func apply(
        _ new: ServeSettings, _ certificates: [CertificateReloader.Prepared]
    ) async -> [ReloadReport.Replicas] {
        let old = self.current
        self.parts.certificates.take(certificates, new)
        self.parts.tokens.take(new)
        if new.logLevel != old.logLevel { self.parts.events.level = new.logLevel }
        self.parts.accessLog.sampleShare = new.accessLog.sampleShare
        self.parts.accessLog.format = new.accessLog.telemetryFormat
        var replicas: [ReloadReport.Replicas] = []
        for (index, cluster) in self.parts.clusters.enumerated() where new.clusters[index] != old.clusters[index] {
            let settings = new.clusters[index]
            cluster.apply(settings)
            for loop in self.parts.upstream { await loop.loop.run { loop.value.apply(settings, of: cluster) } }
            guard settings.replicas != old.clusters[index].replicas else { continue }
            replicas.append(ReloadReport.Replicas(cluster.reconcile(settings.replicas), of: cluster.name))
        }
        self.parts.discovery.apply(zip(self.parts.clusters, new.clusters).map { (cluster: $0, sources: $1.discovery) })
        let runtime = self.parts.runtime.with(new.proxy, ClusterDirectory(self.parts.clusters, new))
        for proxy in self.parts.proxies { await proxy.loop.run { proxy.value.take(runtime) } }
        self.parts.sight.show(new)
        return replicas
    }

    // MARK: - Telling

    private func refuse(_ problems: [ReloadReport.Problem], _ cause: Cause) -> ReloadReport {
        self.metrics.counted(.failure)
        let texts = problems.map { problem in
            let line = problem.line.map { "line \($0): " } ?? ""
            return line + (problem.path.isEmpty ? problem.text : "\(problem.path): \(problem.text)")
        }
        self.log.error(
            "reload refused, everything stays as it was",
            metadata: [
                "cause": "\(cause.rawValue)", "problems": "\(texts.joined(separator: "; "))",
                "count": "\(problems.count)",
            ])
        return ReloadReport(result: .failure, generation: self.current.generation, problems: problems)
    }

    private func unchanged(_ restartRequired: [String], _ cause: Cause) -> ReloadReport {
        self.metrics.counted(.unchanged)
        self.log.info("reload found nothing new", metadata: ["cause": "\(cause.rawValue)"])
        self.tell(restartRequired)
        return ReloadReport(
            result: .unchanged, generation: self.current.generation, restartRequired: restartRequired)
    }

    private func succeeded(
        _ changed: [String], _ restartRequired: [String], _ replicas: [ReloadReport.Replicas], _ cause: Cause
    ) -> ReloadReport {
        self.metrics.counted(.success, generation: self.current.generation)
        self.log.notice(
            "reloaded",
            metadata: [
                "cause": "\(cause.rawValue)", "generation": "\(self.current.generation)",
                "changed": "\(changed.joined(separator: ", "))",
            ])
        self.tell(restartRequired)
        return ReloadReport(
            result: .success, generation: self.current.generation, changed: changed,
            restartRequired: restartRequired, replicas: replicas)
    }

    private func tell(_ restartRequired: [String]) {
        guard !restartRequired.isEmpty else { return }
        self.log.warning(
            "settings wait for a restart", metadata: ["keys": "\(restartRequired.joined(separator: ", "))"])
    }
}

extension ReloadReport.Replicas {
    fileprivate init(_ changes: ReplicaChanges, of cluster: String) {
        self.init(
            cluster: cluster, added: changes.added, removed: changes.removed, reweighted: changes.reweighted,
            kept: changes.kept, dismissed: changes.dismissed)
    }
}

extension ClusterDirectory {
    /// - Parameter clusters: in the order of the settings.
    init(_ clusters: [Cluster], _ settings: ServeSettings) {
        self.init(
            clusters: clusters,
            defaultCluster: settings.defaultCluster.flatMap { name in clusters.firstIndex { $0.name == name } } ?? 0,
            modelMetadataKey: settings.proxy.modelMetadataKey.isEmpty ? nil : settings.proxy.modelMetadataKey)
    }
}
