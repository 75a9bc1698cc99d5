import Logging
import ServiceLifecycle
import Synchronization
import Transport

/// Looks at the configuration file now and then, and reloads when it is another one than what was read last and has stopped
/// changing.
struct SettingsWatch: Service {
    /// Nil: the settings come from no file.
    let file: ReadFile?
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
            if let file = self.file { await self.watch(file) }
        }
        // With nothing to watch, too: a service that returns ends the process.
        try? await gracefulShutdown()
    }

    private func watch(_ file: ReadFile) async {
        while true {
            let interval = self.intervalMs()
            let pause = interval > 0 ? Duration.milliseconds(interval) : Self.idle
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            guard interval > 0, var stamp = FileStamp(file.path), stamp != file.lastRead else { continue }
            while true {
                guard (try? await Task.sleep(for: Self.settling)) != nil else { return }
                guard let now = FileStamp(file.path), now != stamp else { break }
                stamp = now
            }
            // Somebody may have asked meanwhile.
            guard stamp != file.lastRead else { continue }
            self.log.info("reload asked for", metadata: ["file": "\(file.path)"])
            await self.reload()
        }
    }
}

/// A file, as it was when it was read last. Safe to use from every thread.
final class ReadFile: Sendable {
    let path: String
    private let stamp: Mutex<FileStamp?>

    /// As it is now, which is what is about to be read.
    init(_ path: String) {
        self.path = path
        self.stamp = Mutex(FileStamp(path))
    }

    /// Nil: there was none.
    var lastRead: FileStamp? { self.stamp.withLock { $0 } }

    /// It is about to be read. What changes meanwhile is found later.
    func isRead() { self.stamp.withLock { $0 = FileStamp(self.path) } }
}
