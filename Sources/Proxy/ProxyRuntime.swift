package import Telemetry
package import Upstream

/// What all loops of a proxy share: settings, clusters, counters. Never changed; safe to use from every thread.
package final class ProxyRuntime: Sendable {
    package let settings: ProxySettings
    /// How many loops share the limits of the process.
    package let loopCount: Int
    package let directory: ClusterDirectory
    /// By position of the cluster in the directory.
    package let models: [ModelLifecycle]
    package let metrics: ProxyMetrics
    package let accessLog: AccessLog

    package init(
        settings: ProxySettings, loopCount: Int = 1, directory: ClusterDirectory, models: [ModelLifecycle],
        metrics: ProxyMetrics,
        accessLog: AccessLog
    ) {
        self.settings = settings
        self.loopCount = loopCount
        self.directory = directory
        self.models = models
        self.metrics = metrics
        self.accessLog = accessLog
    }
}
