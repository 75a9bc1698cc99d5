import Logging
import Routing
import Synchronization
import Telemetry
import Transport

/// Counts the streams that are there and compares them with those that are counted as in flight. The difference must be
/// zero; a metric says when it is not.
///
/// Loops are asked one after the other while streams come and go, so what is compared is an interval: between two looks at
/// the table there were at least as many as at first without those that ended since, and at most as many as at first with
/// those that began. What lies outside of it is drift.
struct InFlightAudit: Sendable {
    let cluster: Cluster
    let loops: [LoopBound<UpstreamLoop>]

    func run() async {
        let first = self.cluster.counts()
        let replicas = first.map(\.replica)
        var live = Array(repeating: 0, count: first.count)
        for loop in self.loops {
            let counts = await loop.loop.run { loop.value.leasedStreams(of: replicas) }
            for position in live.indices { live[position] += counts[position] }
        }
        let second = self.cluster.counts()
        for position in live.indices {
            // One that has left meanwhile has no count any more.
            guard let later = second.first(where: { $0.replica === replicas[position] }) else { continue }
            let drift = Self.drift(live: live[position], first: first[position].count, second: later.count)
            if drift > 0 { self.cluster.drifted(replicas[position], by: drift) }
        }
    }

    /// Streams in flight at one moment, and all that were ever begun.
    struct Count: Sendable, Equatable {
        var inFlight: Int
        var begun: Int
        /// Of those in flight, those that were given to streams which waited, and whose loops have not been told yet.
        var underWay = 0
    }

    /// How far `live` lies outside of what the two counts allow.
    static func drift(live: Int, first: Count, second: Count) -> Int {
        let begun = second.begun - first.begun
        let ended = max(0, first.inFlight + begun - second.inFlight)
        return max(0, first.inFlight - first.underWay - ended - live, live - first.inFlight - begun)
    }
}

extension Cluster {
    func counts() -> [(replica: Replica, count: InFlightAudit.Count)] {
        self.state.withLock { state in
            state.order.compactMap { place in
                state.replicas[place].map { replica in
                    let count = InFlightAudit.Count(
                        inFlight: state.table.inFlight(of: replica.id), begun: Int(state.table.picks(of: replica.id)),
                        underWay: state.underWay(place))
                    return (replica, count)
                }
            }
        }
    }

    func drifted(_ replica: Replica, by count: Int) {
        self.metrics.inFlightDrift.add(count)
        self.log.error(
            "in-flight count drifted",
            metadata: ["cluster": "\(self.name)", "replica": "\(replica.name)", "streams": "\(count)"])
    }
}

extension UpstreamLoop {
    /// Streams on this loop that hold a lease of each replica.
    func leasedStreams(of replicas: [Replica]) -> [Int] {
        replicas.map { replica in
            var count = 0
            self.forEachStream(of: replica) { stream in
                if stream.lease?.replica == replica.id { count += 1 }
            }
            return count
        }
    }
}
