internal import Synchronization

/// Answers that never change while the models stay as they are, by a digest of their request. LocalAI asks for
/// ModelMetadata before every text request. Safe to use from every thread.
public final class AnswerMemo: Sendable {
    /// Largest answer that is kept, in bytes.
    public static let maxAnswerBytes = 65_536
    /// Most answers that are kept; one more, and all are forgotten.
    private static let capacity = 64

    private struct State {
        var answers: [UInt64: [UInt8]] = [:]
        /// Counts `forgetAll`: an answer to a question that was asked before it is not kept.
        var generation = 0
    }
    private let state = Mutex(State())

    init() {}

    public var generation: Int { self.state.withLock { $0.generation } }

    /// The encoded message that answers the request; nil when it is not known.
    public func answer(to request: UInt64) -> [UInt8]? { self.state.withLock { $0.answers[request] } }

    /// - Parameter generation: what it was when the question was asked.
    public func keep(_ message: [UInt8], for request: UInt64, asked generation: Int) {
        guard message.count <= Self.maxAnswerBytes else { return }
        self.state.withLock { state in
            guard state.generation == generation else { return }
            if state.answers.count >= Self.capacity { state.answers.removeAll() }
            state.answers[request] = message
        }
    }

    /// The models may have changed.
    func forgetAll() {
        self.state.withLock { state in
            state.answers.removeAll()
            state.generation += 1
        }
    }
}
