import Upstream
import Wire

/// What `grpc.health.v1.Health` says: about the whole proxy under the empty name, and about each cluster under its own.
///
/// The proxy is serving when one of its clusters is, a cluster when one of its replicas answers and holds its model; a proxy
/// that drains serves nobody any more.
struct HealthServices: Sendable {
    let directory: ClusterDirectory
    let isDraining: Bool

    /// Nil: nobody knows this service.
    func status(of service: [UInt8]) -> HealthCheckResponse.Status? {
        if service.isEmpty { return self.overall }
        guard let cluster = self.directory.clusters.first(where: { Array($0.name.utf8) == service }) else { return nil }
        return self.status(of: cluster)
    }

    var all: HealthListResponse {
        HealthListResponse(
            [HealthListResponse.Entry(service: [], status: self.overall)]
                + self.directory.clusters.map {
                    HealthListResponse.Entry(service: Array($0.name.utf8), status: self.status(of: $0))
                })
    }

    private var overall: HealthCheckResponse.Status {
        !self.isDraining && self.directory.clusters.contains { $0.hasAvailableReplica } ? .serving : .notServing
    }

    private func status(of cluster: Cluster) -> HealthCheckResponse.Status {
        !self.isDraining && cluster.hasAvailableReplica ? .serving : .notServing
    }
}
