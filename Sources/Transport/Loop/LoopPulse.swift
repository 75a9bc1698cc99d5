internal import Synchronization

/// Whether every loop of a group still takes turns: each is asked, and answers in its next turn.
public final class LoopPulse: Sendable {
    private let loops: [Loop]
    /// Loops that have not answered yet.
    private let waiting = Atomic(0)

    public init(of group: LoopGroup) { self.loops = group.loops }

    /// True before the first question, too.
    public var hasAnswered: Bool { self.waiting.load(ordering: .acquiring) == 0 }

    /// Asks every loop. Not before all have answered.
    public func ask() {
        self.waiting.store(self.loops.count, ordering: .releasing)
        for loop in self.loops { loop.execute { _ = self.waiting.subtract(1, ordering: .releasing) } }
    }
}
