import Logging
import ServiceLifecycle
import UnixSignals

/// Does what SIGHUP asks for: reads again what may change while the process runs. Without it the signal would end us.
struct HangupService: Service {
    let log: Logger
    let reload: @Sendable () async -> Void

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        await cancelWhenGracefulShutdown {
            for await _ in signals {
                self.log.info("reload asked for", metadata: ["signal": "SIGHUP"])
                await self.reload()
            }
        }
    }
}
