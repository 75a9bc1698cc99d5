public import Logging
public import Telemetry
internal import Transport
public import Upstream
internal import Wire

/// What all loops of a proxy share: settings, clusters, counters. Never changed: new settings make a new one, which every
/// loop takes up in its turn, and streams keep the one that they began with. Safe to use from every thread.
public final class ProxyRuntime: Sendable {
    public let settings: ProxySettings
    /// How many loops share the limits of the process.
    public let loopCount: Int
    public let directory: ClusterDirectory
    /// The directory's clusters once more, for the path of a stream.
    let homes: [BackReference<Cluster>]
    /// Settings of the clusters, by position in the directory.
    let sections: [ClusterSettings]
    /// What requests to them change, by position in the directory.
    let ways: [UpstreamWay]
    /// By position of the cluster in the directory.
    public let models: [ModelLifecycle]
    public let metrics: ProxyMetrics
    public let accessLog: AccessLog
    private let log: Logger

    public init(
        settings: ProxySettings, loopCount: Int = 1, directory: ClusterDirectory, models: [ModelLifecycle],
        metrics: ProxyMetrics, accessLog: AccessLog,
        log: Logger = Logger(label: "homing") { _ in SwiftLogNoOpLogHandler() }
    ) {
        self.settings = settings
        self.loopCount = loopCount
        self.directory = directory
        self.homes = directory.clusters.map { BackReference($0) }
        let sections = directory.clusters.map(\.settings)
        self.sections = sections
        self.ways = zip(directory.clusters, sections).map { UpstreamWay(to: $0, $1.auth) }
        self.models = models
        self.metrics = metrics
        self.accessLog = accessLog
        self.log = log
    }

    /// The same with other settings, those of the clusters as they are now.
    /// - Parameter directory: of the same clusters in the same order.
    public func with(_ settings: ProxySettings, _ directory: ClusterDirectory) -> ProxyRuntime {
        ProxyRuntime(
            settings: settings, loopCount: self.loopCount, directory: directory, models: self.models,
            metrics: self.metrics, accessLog: self.accessLog, log: self.log)
    }

    /// A caller did not get through its TLS handshake. Counted; logged at debug only, since anybody can cause it.
    func handshakeFailed(_ failure: TLSFailure, peer: String, listener: String) {
        self.metrics.handshakeFailed(failure.kind)
        self.log.debug(
            "TLS handshake failed",
            metadata: [
                "listener": "\(listener)", "peer": "\(peer)", "reason": "\(failure.kind.rawValue)",
                "detail": "\(failure.detail)",
            ])
    }
}
