public import Transport

/// Probes the replicas of one cluster over the native protocol, in the background: every replica by itself, each in its
/// own time, from when it joins until it is gone. The data path only reads the state that this keeps.
public struct Prober: Sendable {
    private let cluster: Cluster
    private let models: ModelLifecycle
    private let audit: InFlightAudit
    private let departures: Departures

    public init(cluster: Cluster, loops: [LoopBound<UpstreamLoop>], models: ModelLifecycle) {
        self.cluster = cluster
        self.models = models
        self.audit = InFlightAudit(cluster: cluster, loops: loops)
        self.departures = Departures(cluster: cluster, loops: loops, models: models)
    }

    /// Probes until the task is cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.follow() }
            group.addTask { await self.sweep() }
            group.addTask { await self.tick() }
        }
    }

    /// Looks after everybody who is here, and sees those off who leave.
    private func follow() async {
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.cluster.onRosterChange { continuation.yield() }
        defer { self.cluster.onRosterChange(nil) }
        continuation.yield()
        await withDiscardingTaskGroup { group in
            var probed: Set<UInt64> = []
            var seenOff: Set<UInt64> = []
            for await _ in changes {
                let replicas = self.cluster.replicas
                probed.formIntersection(replicas.map(\.serial))
                for replica in replicas where probed.insert(replica.serial).inserted {
                    group.addTask { await self.run(replica) }
                }
                let leaving = self.cluster.leaving
                seenOff.formIntersection(leaving.map(\.departure))
                for (replica, departure) in leaving where seenOff.insert(departure).inserted {
                    group.addTask { await self.departures.see(off: replica, departure: departure) }
                }
            }
            group.cancelAll()
        }
    }

    private func run(_ replica: Replica) async {
        let (wakes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.cluster.onWake(of: replica) { continuation.yield() }
        defer { self.cluster.onWake(of: replica, nil) }
        var iterator = wakes.makeAsyncIterator()
        while !Task.isCancelled, !replica.isGone {
            let began = Loop.now
            // Calls that are answered say as much as a probe would.
            if !self.isHeardOf(replica, at: began) { _ = await self.models.probes.probe(replica) }
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

    /// Whether a call to the replica was answered since its last probe was due.
    private func isHeardOf(_ replica: Replica, at now: UInt64) -> Bool {
        let intervalNs = UInt64(max(1, self.cluster.settings.probe.intervalMs)) * 1_000_000
        return self.cluster.isFresh(replica, at: now)
            && now < self.cluster.lastAnswerNs(of: replica) + min(intervalNs, self.cluster.settings.probe.freshNs)
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

    /// What is looked at every second: who does worse than the others, and whether every stream that is counted is there.
    private func tick() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            self.cluster.lookForOutliers(at: Loop.now)
            await self.audit.run()
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
    public static func call(
        _ path: String, _ message: [UInt8], of replica: Replica, in cluster: Cluster,
        on loop: LoopBound<UpstreamLoop>, timeoutMs: Int, isCounted: Bool = false
    ) async -> Answer {
        await withCheckedContinuation { continuation in
            loop.loop.execute {
                guard !replica.isGone else { return continuation.resume(returning: .failed(.refused)) }
                UnaryCall.start(
                    path, message, on: loop.value.client(of: replica, in: cluster), timeoutMs: timeoutMs,
                    lease: isCounted ? cluster.lease(replica) : nil
                ) { continuation.resume(returning: $0) }
            }
        }
    }
}
