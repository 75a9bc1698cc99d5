/// What the admin port shows. The program implements it over the data path, which never calls back.
///
/// Called on threads of the admin port, several at once, for every request; an answer takes short locks at most.
package protocol AdminSource: Sendable {
    /// What the process as a whole is doing.
    var readiness: Readiness { get }
    /// Every cluster, in the order of the configuration.
    func clusters() -> [ClusterSnapshot]
    /// Every replica of every cluster, in a stable order.
    func replicas() -> [ReplicaSnapshot]
    /// Every source that finds replicas, cluster by cluster, in the order of the configuration.
    func discovery() -> [DiscoverySnapshot]
    /// The last picks, at most `limit`, newest first.
    func decisions(_ limit: Int) -> [DecisionSnapshot]
    /// What happened last, at most `limit`, newest first; of what came after the event `after` only.
    func events(_ limit: Int, after: Int) -> [EventSnapshot]
    /// The last minutes.
    func history() -> TrafficHistory
    /// The settings in use, by section and key, without secrets.
    var settings: SettingsSnapshot { get }
    /// Name of the least important level that is logged.
    var logLevel: String { get }
    /// Changes it. False when there is no such level.
    func setLogLevel(_ name: String) -> Bool
    /// Adds, drains, brings back or removes a replica.
    /// - Parameter cluster: may be nil where there is one cluster only.
    func carryOut(_ order: ReplicaOrder, cluster: String?) throws(AdminRefusal) -> ReplicaOutcome
    /// Reads the settings again and takes them up, all or none.
    func reload() async -> ReloadReport
}

extension AdminSource {
    /// None, where nothing is discovered.
    package func discovery() -> [DiscoverySnapshot] { [] }
}

/// Where the process is in its life.
///
/// starting ──listeners open──► serving ──SIGTERM──► draining
package enum Readiness: Sendable, Equatable {
    /// Listeners are not open yet.
    case starting
    /// Streams are accepted.
    case serving
    /// Open streams are finished, new ones go elsewhere.
    case draining
}

/// The answer of `/ready`: whether a load balancer should send streams here.
enum ReadyVerdict: Sendable, Equatable {
    case ready
    /// Why not, in words for an operator.
    case notReady(String)

    /// Ready means serving with at least one usable replica in every cluster.
    init(_ readiness: Readiness, clusters: [ClusterSnapshot]) {
        switch readiness {
        case .starting: self = .notReady("not ready: starting")
        case .draining: self = .notReady("not ready: draining")
        case .serving:
            let lacking = clusters.filter { $0.usableReplicas == 0 }.map(\.name)
            if clusters.isEmpty {
                self = .notReady("not ready: there is no cluster")
            } else if lacking.isEmpty {
                self = .ready
            } else {
                self = .notReady("not ready: no usable replica in \(lacking.joined(separator: ", "))")
            }
        }
    }
}
