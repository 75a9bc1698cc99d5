internal import CLinux
internal import Glibc
internal import Synchronization

/// One event loop: the thread that owns a set of links, sessions, streams, buffers and timers.
///
/// ```
/// a turn:  wait ──► what the kernel tells (links read) ──► timers ──► tasks ──► ended links ──► corked output ──► wait
/// ```
/// Output is corked: a link that has something to send says so, and once per turn of the loop, after all input of the
/// turn has been acted on, every such link is drained into one region and written with one call.
/// Sendable, but everything except `execute`, `schedule`, `run` and `now` is for code that runs on the loop.
public final class Loop: Sendable {
    /// Position in the group, from 0.
    public let index: Int
    /// Everything that changes; touched on the loop's thread only.
    let turns: LoopTurns
    private let mail = Mutex(Mail())
    /// The loop's thread, while it runs.
    private let thread = Atomic<UInt>(0)

    /// What other threads have for the loop.
    private struct Mail: Sendable {
        var tasks = ContiguousArray<@Sendable () -> Void>()
        /// The thread has ended, and takes no more.
        var isClosed = false
    }

    /// A loop that does not run yet.
    init(index: Int) {
        self.index = index
        self.turns = LoopTurns()
    }

    public var isCurrent: Bool { self.thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    @inline(__always) func preconditionIsCurrent() {
        precondition(self.isCurrent, "this belongs to a loop, and is touched on its thread only")
    }

    /// Monotonic time in nanoseconds; comparable between loops.
    public static var now: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// When what the loop acts on came, on the same clock: a little before `now`, and free. On the loop's thread only.
    public var moment: UInt64 { self.turns.moment }

    /// Wall-clock milliseconds since 1970 of a moment of `now`, for logs.
    public static func unixMs(of nanoseconds: UInt64) -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        let unixNs = Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
        return (unixNs - Int(Self.now - nanoseconds)) / 1_000_000
    }

    /// Runs `body` on the loop in this turn or one of its next, never before this returns. A loop that has ended drops it.
    public func execute(_ body: @escaping @Sendable () -> Void) {
        guard !self.isCurrent else { return self.turns.tasks.append(body) }
        let mustWake = self.mail.withLock { mail in
            guard !mail.isClosed else { return false }
            mail.tasks.append(body)
            return mail.tasks.count == 1
        }
        if mustWake { self.turns.wake() }
    }

    /// Runs `body` on the loop after `nanoseconds`, unless the timer is cancelled before.
    @discardableResult
    public func schedule(after nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void) -> LoopTimer {
        let (due, isFar) = Self.now.addingReportingOverflow(nanoseconds)
        let entry = LoopTimer.Entry(due: isFar ? .max : due, body)
        if self.isCurrent {
            self.turns.timers.add(entry)
        } else {
            self.execute { self.turns.timers.add(entry) }
        }
        return LoopTimer(entry, on: self)
    }

    /// Runs `body` on the loop and waits for what it returns, without blocking a thread.
    public func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            self.execute { continuation.resume(returning: body()) }
        }
    }

    // MARK: Its thread

    /// Takes turns until `stop`. On a thread of its own, which calls nothing else.
    func takeTurns() {
        unsafe homing_name_thread("homing-loop-\(self.index)")
        self.thread.store(UInt(pthread_self()), ordering: .releasing)
        while !self.turns.isStopping {
            self.turns.wait()
            if self.turns.hasMail { self.takeMail() }
            self.turns.finish()
        }
        // Handlers hear of their links' ends, and may have something to say about them to each other.
        self.turns.cutEverything()
        for _ in 0..<16 {
            self.takeMail()
            self.turns.finish()
        }
        self.mail.withLock { $0.isClosed = true }
        self.takeMail()
        self.turns.finish()
        self.turns.forgetEverything()
        self.thread.store(0, ordering: .releasing)
    }

    /// The loop's last turn is this one.
    func stop() { self.turns.isStopping = true }

    private func takeMail() {
        let tasks = self.mail.withLock { mail in
            defer { mail.tasks = [] }
            return mail.tasks
        }
        self.turns.tasks.append(contentsOf: tasks)
    }
}
