import Proxy
import Routing
import Telemetry
import Upstream

/// What `systemctl status` shows of us: how much there is to do, and how many there are to do it.
struct StatusText: Sendable {
    let clusters: [Cluster]
    let metrics: ProxyMetrics

    var now: String {
        let rows = self.clusters.map { $0.rows() }
        let all = rows.reduce(0) { $0 + $1.count }
        let usable = rows.reduce(0) { $0 + $1.count { $0.availability == .available } }
        return "serving: \(self.metrics.activeStreams.value) streams on \(self.metrics.connections.value) connections, "
            + "\(usable) of \(all) replicas available"
    }
}
