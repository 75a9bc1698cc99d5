internal import Glibc
internal import NIOCore
internal import NIOPosix

/// One event loop: the thread that owns a set of links, sessions, streams, buffers and timers.
///
/// Output is corked: a link that has something to send says so, and once per turn of the loop, after all input of the
/// turn has been acted on, every such link is drained into one buffer and written with one call.
/// Sendable, but everything except `execute`, `schedule` and `now` is for code that runs on the loop.
package final class Loop: Sendable {
    /// Position in the group, from 0.
    package let index: Int
    let eventLoop: any EventLoop
    private let output: LoopOutput

    init(index: Int, eventLoop: any EventLoop) {
        self.index = index
        self.eventLoop = eventLoop
        self.output = LoopOutput()
    }

    package var isCurrent: Bool { self.eventLoop.inEventLoop }

    func preconditionIsCurrent() { self.eventLoop.preconditionInEventLoop() }

    /// Monotonic time in nanoseconds; comparable between loops.
    package static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    /// Wall-clock milliseconds since 1970 of a moment of `now`, for logs.
    package static func unixMs(of nanoseconds: UInt64) -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        let unixNs = Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
        return (unixNs - Int(Self.now - nanoseconds)) / 1_000_000
    }

    /// Runs `body` on the loop in one of its next turns.
    package func execute(_ body: @escaping @Sendable () -> Void) {
        self.eventLoop.execute(body)
    }

    /// Runs `body` on the loop after `nanoseconds`, unless the timer is cancelled before.
    @discardableResult
    package func schedule(after nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void) -> LoopTimer {
        let amount = TimeAmount.nanoseconds(Int64(clamping: nanoseconds))
        return LoopTimer(self.eventLoop.scheduleTask(in: amount, body))
    }

    /// Runs `body` on the loop and waits for what it returns, without blocking a thread.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            self.execute { continuation.resume(returning: body()) }
        }
    }

    /// The link is drained at the end of this turn. On the loop only.
    func cork(_ link: Link) {
        if self.output.add(link) {
            self.eventLoop.execute(self.flush)
        }
    }

    /// One link more reads on after its last words. False when enough do already. On the loop only.
    func mayLinger() -> Bool { self.output.mayLinger() }
    func lingeringEnded() { self.output.lingering -= 1 }

    @Sendable private func flush() {
        self.output.flush()
    }
}

/// A timer of a loop. Cancelling it twice, or after it ran, does nothing.
package struct LoopTimer: Sendable {
    private let scheduled: Scheduled<Void>

    init(_ scheduled: Scheduled<Void>) { self.scheduled = scheduled }

    package func cancel() { self.scheduled.cancel() }
}
