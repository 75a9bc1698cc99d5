package import Transport
import Wire

/// Probes the replicas of one cluster over the native protocol, in the background: every replica by itself, each in its
/// own time. The data path only reads the state that this keeps.
package struct Prober: Sendable {
    private let cluster: Cluster
    private let loops: [LoopBound<UpstreamLoop>]
    private let models: ModelLifecycle

    package init(cluster: Cluster, loops: [LoopBound<UpstreamLoop>], models: ModelLifecycle) {
        self.cluster = cluster
        self.loops = loops
        self.models = models
    }

    /// Probes until the task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            for replica in self.cluster.replicas {
                group.addTask { await self.run(replica) }
            }
            group.addTask { await self.sweep() }
        }
    }

    private func run(_ replica: Replica) async {
        let (wakes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.cluster.onWake(of: replica) { continuation.yield() }
        defer { self.cluster.onWake(of: replica, nil) }
        var iterator = wakes.makeAsyncIterator()
        while !Task.isCancelled {
            let began = Loop.now
            await self.probe(replica)
            await self.models.restore(replica)
            let needsCare = self.cluster.model(of: replica).needsCare
            let pause = self.pause(before: needsCare ? .suspect : self.cluster.health(of: replica))
            let timer = Task {
                try await Task.sleep(nanoseconds: pause)
                continuation.yield()
            }
            _ = await iterator.next()
            timer.cancel()
            // A failed probe wakes its own prober, so a wake shortens the pause, but not to nothing.
            let soonest = began + UInt64(max(1, self.cluster.settings.probe.retryMs)) * 1_000_000
            let now = Loop.now
            if now < soonest { try? await Task.sleep(nanoseconds: soonest - now) }
        }
    }

    private func probe(_ replica: Replica) async {
        let began = Loop.now
        let answer = await UnaryCall.call(
            BackendPath.health, HealthMessage().encoded(), of: replica, in: self.cluster,
            on: self.loops[replica.slot % self.loops.count],
            timeoutMs: self.cluster.settings.probe.deadlineMs)
        self.cluster.probed(replica, ProbeOutcome(answer), latencyNs: Loop.now - began)
        if case .status(let code, _, _) = answer { self.cluster.probeAnswered(replica, code) }
    }

    /// Nanoseconds until the next probe: the interval with jitter, or the short retry time of one that is not all right.
    private func pause(before standing: ReplicaHealth.Standing) -> UInt64 {
        let settings = self.cluster.settings.probe
        switch standing {
        case .available:
            let share = min(max(settings.jitterShare, 0), 1)
            let factor = 1 + Double.random(in: -share...share)
            return UInt64(max(1, Double(settings.intervalMs) * factor) * 1_000_000)
        case .unknown, .suspect, .unreachable:
            return UInt64(max(1, settings.retryMs)) * 1_000_000
        }
    }

    private func sweep() async {
        while (try? await Task.sleep(for: .seconds(5))) != nil {
            self.cluster.sweep()
        }
    }
}

extension UnaryCall {
    /// Calls a replica from a task: hops to the loop and back.
    /// - Parameter isCounted: whether it is a stream of the replica for routing and for LoadModel.
    package static func call(
        _ path: String, _ message: [UInt8], of replica: Replica, in cluster: Cluster,
        on loop: LoopBound<UpstreamLoop>, timeoutMs: Int, isCounted: Bool = false
    ) async -> Answer {
        await withCheckedContinuation { continuation in
            loop.loop.execute {
                UnaryCall.start(
                    path, message, on: loop.value.client(of: replica, in: cluster), timeoutMs: timeoutMs,
                    lease: isCounted ? cluster.lease(replica) : nil
                ) { continuation.resume(returning: $0) }
            }
        }
    }
}
