/// A timer of a loop. Cancelling it twice, or after it ran, does nothing.
public struct LoopTimer: Sendable {
    private let entry: Entry
    private let loop: Loop

    init(_ entry: Entry, on loop: Loop) {
        self.entry = entry
        self.loop = loop
    }

    /// From any thread; on the loop's own it is certain that the timer does not run any more.
    public func cancel() {
        if self.loop.isCurrent {
            self.loop.turns.timers.remove(self.entry)
        } else {
            self.loop.execute { [entry, loop] in loop.turns.timers.remove(entry) }
        }
    }

    /// What the heap holds. Touched on its loop only, once it has been handed over.
    final class Entry: @unchecked Sendable {
        let due: UInt64
        /// Nil when it ran or was cancelled.
        private var body: (@Sendable () -> Void)?
        /// Position in the heap; -1 outside of it.
        var place = -1

        init(due: UInt64, _ body: @escaping @Sendable () -> Void) {
            self.due = due
            self.body = body
        }

        var hasBody: Bool { self.body != nil }

        func takeBody() -> (@Sendable () -> Void)? {
            defer { self.body = nil }
            return self.body
        }
    }
}
