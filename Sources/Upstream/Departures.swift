import Logging
import Transport

/// Sees replicas of a cluster off: waits for their streams, takes them out, and lets every loop let go of them, so that
/// nothing of them is left when their slot is used again.
struct Departures: Sendable {
    let cluster: Cluster
    let loops: [LoopBound<UpstreamLoop>]
    let models: ModelLifecycle

    /// Between two looks at the streams of one that leaves.
    private static let pause = Duration.milliseconds(10)

    /// Returns when the replica is gone, or leaves no more.
    func see(off replica: Replica, departure: UInt64) async {
        while true {
            switch self.cluster.leave(replica, departure: departure, at: Loop.now) {
            case .stays: return
            case .waits:
                guard (try? await Task.sleep(for: Self.pause)) != nil else { return }
            case .gone(let isCut): return await self.clearUp(after: replica, isCut: isCut)
            }
        }
    }

    private func clearUp(after replica: Replica, isCut: Bool) async {
        for loop in self.loops { await loop.loop.run { loop.value.forget(replica, cuts: isCut) } }
        await self.models.forget(replica)
        self.cluster.slots.giveBack(replica.slot)
        self.cluster.log.info(
            "replica removed",
            metadata: [
                "cluster": "\(self.cluster.name)", "replica": "\(replica.name)",
                "streams": isCut ? "cut" : "finished",
            ])
    }
}
