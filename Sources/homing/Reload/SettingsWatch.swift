import Logging
import ServiceLifecycle
import Transport

/// Looks at the configuration file now and then, and reloads when it is another one than before and has stopped changing.
struct SettingsWatch: Service {
    /// Nil: the settings come from no file.
    let path: String?
    /// How often it is looked at, in milliseconds; zero: not at all, for now.
    let intervalMs: @Sendable () -> Int
    let log: Logger
    let reload: @Sendable () async -> Void

    /// How long a file has to be as it is: who writes it in pieces is waited for.
    private static let settling = Duration.milliseconds(100)
    /// Between two looks at whether to look.
    private static let idle = Duration.seconds(1)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            if let path = self.path { await self.watch(path) }
        }
        // With nothing to watch, too: a service that returns ends the process.
        try? await gracefulShutdown()
    }

    private func watch(_ path: String) async {
        var seen = FileStamp(path)
        while true {
            let interval = self.intervalMs()
            guard (try? await Task.sleep(for: interval > 0 ? .milliseconds(interval) : Self.idle)) != nil else {
                return
            }
            guard interval > 0, var stamp = FileStamp(path), stamp != seen else { continue }
            while true {
                guard (try? await Task.sleep(for: Self.settling)) != nil else { return }
                guard let now = FileStamp(path), now != stamp else { break }
                stamp = now
            }
            seen = stamp
            self.log.info("reload asked for", metadata: ["file": "\(path)"])
            await self.reload()
        }
    }
}
