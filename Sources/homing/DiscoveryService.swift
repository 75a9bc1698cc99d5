import Config
import Discovery
import Logging
import Routing
import ServiceLifecycle
import Synchronization
import Telemetry
import Transport
import Upstream

/// Looks for the replicas of every cluster, in the background, and hands the clusters what it finds. Safe to use from every
/// thread.
///
/// A cluster keeps what a source gave it for as long as the source is configured, whatever becomes of its looks.
final class DiscoveryService: Service {
    /// A source of a cluster that looks, or did until the process drained.
    struct Running: Sendable {
        let cluster: Cluster
        let settings: DiscoverySettings
        let source: ReplicaSource
        fileprivate let task: Task<Void, Never>
    }

    private let log: Logger
    private let makeLookup: @Sendable (DiscoverySettings, Cluster) -> any ReplicaLookup
    private let state = Mutex<[Running]>([])

    /// - Parameter makeLookup: who is asked; tests have answers of their own.
    init(
        log: Logger,
        makeLookup: @escaping @Sendable (DiscoverySettings, Cluster) -> any ReplicaLookup = {
            DiscoveryService.lookup($0, for: $1)
        }
    ) {
        self.log = log
        self.makeLookup = makeLookup
    }

    /// The sources that there are, in the order of the configuration.
    var sources: [Running] { self.state.withLock { $0 } }

    /// Makes these the sources that there are. One that is the same goes on; the replicas of one that is gone leave, and
    /// those of one that has changed stay until it has found others.
    /// - Parameter clusters: with the sources that each of them has now. A source without models goes by those that its
    ///   cluster has at this moment.
    func apply(_ clusters: [(cluster: Cluster, sources: [DiscoverySettings])]) {
        let gone = self.state.withLock { running in
            var old = running
            running = clusters.flatMap { cluster, sources in
                sources.map { source in
                    var settings = source
                    if settings.models.isEmpty { settings.models = cluster.settings.models }
                    let same = old.firstIndex { $0.cluster === cluster && $0.settings == settings }
                    if let same { return old.remove(at: same) }
                    return self.start(settings, of: cluster)
                }
            }
            for one in old { one.task.cancel() }
            return old.filter { old in
                !running.contains { $0.cluster === old.cluster && $0.settings.label == old.settings.label }
            }
        }
        for one in gone { one.cluster.reconcile([], origin: .discovery(one.settings.label)) }
    }

    /// Waits for the process to drain, and ends the looking then.
    func run() async throws {
        try? await gracefulShutdown()
        for one in self.sources { one.task.cancel() }
    }

    private func start(_ settings: DiscoverySettings, of cluster: Cluster) -> Running {
        var log = self.log
        log[metadataKey: "cluster"] = "\(cluster.name)"
        let source = ReplicaSource(
            name: settings.label, lookup: self.makeLookup(settings, cluster), refresh: settings.refresh,
            clock: DiscoveryClock(unixMs: { Loop.unixMs(of: Loop.now) }), log: log)
        let task = Task { [log] in
            await source.run { list in self.publish(list, of: source, to: cluster, log) }
        }
        return Running(cluster: cluster, settings: settings, source: source, task: task)
    }

    private func publish(_ list: [DiscoveredReplica], of source: ReplicaSource, to cluster: Cluster, _ log: Logger) {
        var replicas: [ReplicaSettings] = []
        for replica in list {
            guard let address = try? Endpoint(parsing: replica.address), address.port != 0 else {
                log.error(
                    "discovered replica left out, it has no address to connect to",
                    metadata: ["source": "\(source.name)", "address": "\(quoted(replica.address))"])
                continue
            }
            replicas.append(ReplicaSettings(address: address, weight: replica.weight))
        }
        self.state.withLock { running in
            // One that has been taken away while it looked has nothing to say any more.
            guard running.contains(where: { $0.source === source }) else { return }
            cluster.reconcile(replicas, origin: .discovery(source.name))
        }
    }

    private static func lookup(_ settings: DiscoverySettings, for cluster: Cluster) -> any ReplicaLookup {
        let resolver = CaresResolver(
            nameservers: settings.nameservers.map(\.description), timeoutMs: settings.timeoutMs)
        let family =
            switch settings.family {
            case .all: AddressFamily.all
            case .ipv4: AddressFamily.ipv4
            case .ipv6: AddressFamily.ipv6
            }
        switch settings.kind {
        case .dns, nil:
            guard case .host(let host, let port) = settings.address?.kind else {
                preconditionFailure("settings in use have been checked for contradictions")
            }
            return AddressLookup(host: host, port: port, family: family, resolver: resolver)
        case .srv:
            return ServiceLookup(service: settings.service, family: family, resolver: resolver) {
                Set(cluster.rows().filter { $0.availability.standing == .out }.map(\.replica.name))
            }
        case .file:
            let (path, name) = (settings.path, cluster.name)
            return FileLookup(path: path, stamp: { FileStamp(path) }) { () throws(DiscoveryFailure) in
                try ReplicaFile.replicas(at: path, for: name)
            }
        case .localai:
            return LocalAILookup(
                database: settings.database, models: settings.models, connectTimeoutMs: settings.connectTimeoutMs,
                queryTimeoutMs: settings.queryTimeoutMs
            ) { [password = settings.password] () throws(DiscoveryFailure) in
                guard let password else { return nil }
                do throws(SecretProblem) {
                    return try SettingsFile.secrets.look(up: password.source).reveal()
                } catch {
                    throw DiscoveryFailure("no password: \(error.text)")
                }
            }
        }
    }
}

extension DiscoverySettings {
    var refresh: RefreshSettings {
        switch self.kind {
        case .dns, .srv, nil:
            RefreshSettings(
                minIntervalMs: self.minIntervalMs, maxIntervalMs: self.maxIntervalMs, emptyAfter: self.emptyAfter)
        // An empty list in a file is meant.
        case .file: RefreshSettings(everyMs: self.lookIntervalMs, emptyAfter: 1)
        case .localai: RefreshSettings(everyMs: self.queryIntervalMs, emptyAfter: self.emptyAfter)
        }
    }
}
