import ServiceLifecycle
import Transport

/// Keeps the service manager informed: what we do, as text, and that every loop still turns. In a service group it comes
/// after the proxy, so that it hears of a shutdown first.
struct ReportService: Service {
    let report: ServiceReport
    let pulse: LoopPulse
    /// How often the manager wants to hear that we live; nil: never.
    let watchdogUs: UInt64?
    /// A sentence with what we do at this moment.
    let status: @Sendable () -> String

    /// How often the text is looked at; it is sent when it has changed.
    private static let statusInterval = Duration.seconds(2)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await self.report.beginning()
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.tellStatus() }
                if let watchdogUs {
                    group.addTask { await self.tellAlive(every: .microseconds(Int64(watchdogUs / 2))) }
                }
            }
        }
        self.report.stopping(status: "draining")
        // A service that returns ends the process, and without a shutdown nothing has ended.
        try? await gracefulShutdown()
    }

    private func tellStatus() async {
        var last = self.status()
        while (try? await Task.sleep(for: Self.statusInterval)) != nil {
            let now = self.status()
            if now != last { self.report.status(now) }
            last = now
        }
    }

    /// A loop that hangs is never heard of again, and so neither are we: the manager ends us and starts anew.
    private func tellAlive(every interval: Duration) async {
        repeat {
            if self.pulse.hasAnswered {
                self.report.alive()
                self.pulse.ask()
            }
        } while (try? await Task.sleep(for: interval)) != nil
    }
}
