package import Logging
package import Telemetry
internal import Transport
package import Upstream

/// What all loops of a proxy share: settings, clusters, counters. Never changed; safe to use from every thread.
package final class ProxyRuntime: Sendable {
    package let settings: ProxySettings
    package let directory: ClusterDirectory
    /// By position of the cluster in the directory.
    package let models: [ModelLifecycle]
    package let metrics: ProxyMetrics
    package let accessLog: AccessLog
    private let log: Logger

    package init(
        settings: ProxySettings, directory: ClusterDirectory, models: [ModelLifecycle], metrics: ProxyMetrics,
        accessLog: AccessLog, log: Logger = Logger(label: "homing") { _ in SwiftLogNoOpLogHandler() }
    ) {
        self.settings = settings
        self.directory = directory
        self.models = models
        self.metrics = metrics
        self.accessLog = accessLog
        self.log = log
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
