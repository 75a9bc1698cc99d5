import Foundation
import Logging
import ServiceLifecycle
import Telemetry
import Transport
import UnixSignals

/// Starts this program anew on SIGUSR2, as it is installed now, hands it the listening sockets, and ends when it serves. If
/// it does not come to that, nothing has changed.
///
/// ```
/// serving ──SIGUSR2──► starting ──ready──► paused ──accepting──► handed over: the service group drains
///    ▲                     │                 │
///    └─── failed, gone, too slow ────────────┘
/// ```
struct UpgradeService: Service {
    let signals: UnixSignalsSequence
    let settings: UpgradeSettings
    let start: StartConditions
    let sockets: OpenSockets
    let report: ServiceReport
    /// The program's file; nil when the system does not say.
    let path: String?
    let failures: Counter
    let log: Logger

    /// How long callers wait at most for a new process that has said it is ready and does not accept.
    private static let acceptLimitMs = 2_000

    init(
        _ settings: UpgradeSettings, signals: UnixSignalsSequence, start: StartConditions, sockets: OpenSockets,
        report: ServiceReport, registry: MetricRegistry, log: Logger
    ) {
        self.signals = signals
        self.settings = settings
        self.start = start
        self.sockets = sockets
        self.report = report
        self.path = ProcessEnvironment.ownPath(calledAs: CommandLine.arguments[0])
        self.failures = registry.counter(
            "homing_upgrades_failed_total",
            help: "Times that SIGUSR2 started a new process which did not take over, or could start none.")
        self.log = log
    }

    func run() async throws {
        let isHandedOver = await cancelWhenGracefulShutdown {
            for await _ in self.signals {
                self.log.info("upgrade asked for", metadata: ["signal": "SIGUSR2", "program": "\(self.path ?? "")"])
                if await self.handOver() { return true }
            }
            return false
        }
        // By returning, this service ends all others: they drain.
        if !isHandedOver { try? await gracefulShutdown() }
    }

    /// False when this process goes on.
    private func handOver() async -> Bool {
        guard let (pid, channel) = await self.startSuccessor() else { return false }
        let answer = await withTaskCancellationHandler {
            await channel.answer(withinMs: self.settings.readyTimeoutMs)
        } onCancel: {
            channel.cancel()
        }
        if Task.isCancelled {
            DetachedProcess.signal(pid, SIGTERM)
            return false
        }
        switch answer {
        case .word:
            await self.sockets.pause()
            channel.say(.accept)
            guard await channel.answer(withinMs: Self.acceptLimitMs) == .word(.accepting) else {
                DetachedProcess.signal(pid, SIGKILL)
                await self.sockets.resume()
                self.failed("the new process ended when it was to accept", pid)
                return false
            }
            self.report.handedOver(to: pid)
            await self.sockets.handOver()
            channel.say(.yours)
            self.log.info("upgrade done, the new process serves", metadata: ["pid": "\(pid)"])
            return true
        case .failed(let code): self.failed("the new process ended with exit code \(code); it has said why", pid)
        case .gone: self.failed("the new process ended before it was ready", pid)
        case .timedOut:
            DetachedProcess.signal(pid, SIGKILL)
            self.failed("the new process was not ready in time", pid)
        }
        return false
    }

    private func startSuccessor() async -> (pid: CInt, channel: HandoverChannel)? {
        guard let path else {
            self.failed("the program's own file is not known")
            return nil
        }
        guard ProcessEnvironment.pid != 1 else {
            self.failed("process 1 of a container cannot be replaced: its end ends all others; replace the container")
            return nil
        }
        guard let copies = await self.sockets.copies() else {
            self.failed("the sockets cannot be copied")
            return nil
        }
        defer { for copy in copies { copy.close() } }
        guard let (channel, theirs) = HandoverChannel.pair() else {
            self.failed("there are no more descriptors")
            return nil
        }
        defer { close(theirs) }
        let environment = self.start.environment(
            from: ProcessInfo.processInfo.environment, sockets: copies.map(\.socket), names: copies.map(\.name))
        do throws(DetachedProcess.Failure) {
            let pid = try DetachedProcess.start(
                path, arguments: CommandLine.arguments, environment: environment,
                descriptors: copies.map(\.descriptor) + [theirs])
            return (pid, channel)
        } catch {
            self.failed(error.description)
            return nil
        }
    }

    private func failed(_ reason: String, _ pid: CInt? = nil) {
        self.failures.add()
        self.log.error(
            "upgrade failed, this process goes on",
            metadata: ["reason": "\(reason)", "pid": "\(pid.map(String.init) ?? "none")"])
    }
}
