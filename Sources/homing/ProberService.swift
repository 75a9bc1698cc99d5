import ServiceLifecycle
import Upstream

/// Runs a cluster's prober until the process drains.
struct ProberService: Service {
    let prober: Prober

    func run() async throws {
        await cancelWhenGracefulShutdown { await self.prober.run() }
    }
}
