import Routing
import Synchronization
public import Transport
import Wire

/// Asks the replicas of a cluster whether they are alive: at most one probe of each is under way, and it belongs to nobody
/// who asked for it, so that an asker who goes away spoils nothing for the others.
///
/// A success is believed for `fresh_for_ms`, as is any call that was answered; a failure is told and not kept. Safe to use
/// from every thread; never on the path of a stream.
public final class ReplicaProbes: Sendable {
    private let cluster: Cluster
    private let loops: [LoopBound<UpstreamLoop>]
    private let underWay = Mutex<[ReplicaID: Task<ProbeOutcome, Never>]>([:])

    public init(cluster: Cluster, loops: [LoopBound<UpstreamLoop>]) {
        self.cluster = cluster
        self.loops = loops
    }

    /// What is known, if it is fresh; else the outcome of a probe.
    public func check(_ replica: Replica) async -> ProbeOutcome {
        if self.cluster.isFresh(replica, at: Loop.now) { return .alive }
        return await self.probe(replica)
    }

    /// The outcome of the probe that is under way, or of a new one.
    public func probe(_ replica: Replica) async -> ProbeOutcome {
        let task = self.underWay.withLock { underWay in
            if let task = underWay[replica.id] { return task }
            let task = Task {
                let outcome = await self.ask(replica)
                self.underWay.withLock { $0[replica.id] = nil }
                return outcome
            }
            underWay[replica.id] = task
            return task
        }
        return await task.value
    }

    private func ask(_ replica: Replica) async -> ProbeOutcome {
        let settings = self.cluster.settings.probe
        let began = Loop.now
        let (path, message) =
            switch settings.probeProtocol {
            case .native: (BackendPath.health, HealthMessage().encoded())
            case .grpcHealth: (BackendPath.grpcHealthCheck, HealthCheckRequest().encoded())
            }
        let answer = await UnaryCall.call(
            path, message, of: replica, in: self.cluster, on: self.loops[replica.slot % self.loops.count],
            timeoutMs: settings.deadlineMs)
        let outcome = ProbeOutcome(answer, settings.probeProtocol)
        self.cluster.probed(replica, outcome, latencyNs: Loop.now - began)
        if case .status(let code, _, _) = answer { self.cluster.probeAnswered(replica, code) }
        return outcome
    }
}
