import Admin
import Proxy
import ServiceLifecycle
import Synchronization
import Transport
import Upstream

/// Keeps what the replicas were sent in the last ten minutes, in intervals of five seconds, so that a page that is opened
/// has something to show at once.
final class TrafficSampler: Service {
    static let intervalMs = 5_000
    static let capacity = 120

    private struct State {
        /// Sums at the end of the last interval, by the replica's serial.
        var before: [UInt64: ReplicaTraffic] = [:]
        var points: [TrafficHistory.Point] = []
    }

    private let clusters: [Cluster]
    private let logs: [DecisionLog]
    private let state = Mutex(State())

    /// - Parameter logs: one for each loop.
    init(clusters: [Cluster], logs: [DecisionLog]) {
        self.clusters = clusters
        self.logs = logs
    }

    func run() async {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: .milliseconds(Self.intervalMs))) != nil { self.sample() }
        }
    }

    var history: TrafficHistory {
        TrafficHistory(intervalMs: Self.intervalMs, points: self.state.withLock { $0.points })
    }

    /// Sums of all loops by the replica's serial.
    var totals: [UInt64: ReplicaTraffic] {
        self.logs.map(\.traffic).reduce(into: [:]) { totals, traffic in
            for sums in traffic where sums.owner > 0 {
                totals[sums.owner] = (totals[sums.owner] ?? ReplicaTraffic(owner: sums.owner)) + sums
            }
        }
    }

    /// Ends an interval now.
    func sample() {
        let totals = self.totals
        let unixMs = Loop.unixMs(of: Loop.now)
        self.state.withLock { state in
            var shares: [TrafficHistory.Share] = []
            for cluster in self.clusters {
                for replica in cluster.replicas {
                    guard let sums = totals[replica.serial] else { continue }
                    let nothing = ReplicaTraffic(owner: replica.serial)
                    let change = sums.since(state.before[replica.serial] ?? nothing)
                    guard change != nothing else { continue }
                    shares.append(TrafficHistory.Share(change, cluster: cluster.name, replica: replica.name))
                }
            }
            state.before = totals
            state.points.append(TrafficHistory.Point(unixMs: unixMs, replicas: shares))
            if state.points.count > Self.capacity { state.points.removeFirst() }
        }
    }
}

extension ReplicaTraffic {
    fileprivate func since(_ before: Self) -> Self {
        var change = self
        change.picks -= before.picks
        change.prompts -= before.prompts
        change.hits -= before.hits
        change.promptBytes -= before.promptBytes
        change.matchedBytes -= before.matchedBytes
        change.firstResponses -= before.firstResponses
        change.firstResponseNs -= before.firstResponseNs
        return change
    }
}

extension TrafficHistory.Share {
    fileprivate init(_ traffic: ReplicaTraffic, cluster: String, replica: String) {
        self.init(
            cluster: cluster, replica: replica, picks: traffic.picks, prompts: traffic.prompts, hits: traffic.hits,
            promptBytes: traffic.promptBytes, matchedBytes: traffic.matchedBytes,
            firstResponses: traffic.firstResponses,
            firstResponseMs: traffic.firstResponses == 0
                ? nil : Double(traffic.firstResponseNs / traffic.firstResponses) / 1_000_000)
    }
}
