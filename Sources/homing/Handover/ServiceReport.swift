import Synchronization
import Transport

/// What a service manager hears of us, see sd_notify(3). Without one, nothing is said.
///
/// ```
/// silent ──begin──► speaking ──stopping, or handedOver──► over
/// ```
/// A process that takes another's place is silent until that one has told its number: until then it is not the service's.
final class ServiceReport: Sendable {
    private enum Phase {
        case silent
        case speaking
        case over
    }

    private let socket: NotifySocket?
    private let phase = Mutex(Phase.silent)
    private let begun: AsyncStream<Void>
    private let begins: AsyncStream<Void>.Continuation

    init(_ path: String?) {
        self.socket = path.flatMap { NotifySocket($0) }
        (self.begun, self.begins) = AsyncStream.makeStream()
    }

    /// Whether anybody hears.
    var isHeard: Bool { self.socket != nil }

    /// Returns when the report has begun, or the task is cancelled. For one caller.
    func beginning() async { for await _ in self.begun { return } }

    /// We serve, and are the process of the service.
    func begin(status: String) {
        self.phase.withLock { phase in
            guard phase == .silent else { return }
            phase = .speaking
            self.socket?.send("READY=1", "STATUS=\(status)")
        }
        self.begins.yield()
    }

    /// Not said to a manager that does not keep up, as is `alive`: what matters would wait behind it.
    func status(_ text: String) { self.say("STATUS=\(text)", waits: false) }

    /// Everything turns.
    func alive() { self.say("WATCHDOG=1", waits: false) }

    /// Says that settings are read anew while `body` runs, and that we are ready again after it.
    func reloading(_ body: () async -> Void) async {
        self.say("RELOADING=1", "MONOTONIC_USEC=\(ProcessEnvironment.monotonicUs)")
        await body()
        self.say("READY=1")
    }

    func stopping(status: String) { self.end("STOPPING=1", "STATUS=\(status)") }

    /// The service's process is another one now; we say nothing any more.
    func handedOver(to pid: CInt) { self.end("MAINPID=\(pid)") }

    private func say(_ lines: String..., waits: Bool = true) {
        self.phase.withLock { phase in
            if phase == .speaking { self.socket?.send(lines.joined(separator: "\n"), waits: waits) }
        }
    }

    private func end(_ lines: String...) {
        self.phase.withLock { phase in
            if phase == .speaking { self.socket?.send(lines.joined(separator: "\n")) }
            phase = .over
        }
    }
}
