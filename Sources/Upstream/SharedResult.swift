import Synchronization

/// The result of one piece of work that several wait for. Who does not want to wait any longer goes, by cancelling its
/// task; the work goes on for the others.
///
/// Safe to use from every thread.
final class SharedResult<Value: Sendable>: Sendable {
    private struct State: Sendable {
        var value: Value?
        var waiters: [Int: CheckedContinuation<Value?, Never>] = [:]
        var nextWaiter = 0
    }

    private let state = Mutex(State())

    /// The work is done. Once.
    func finish(_ value: Value) {
        let waiters = self.state.withLock { state in
            precondition(state.value == nil, "work is done once")
            state.value = value
            defer { state.waiters = [:] }
            return state.waiters.values.map { $0 }
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    /// Returns when the work is done, or nil when the waiting task was cancelled before.
    func wait() async -> Value? {
        let waiter = self.state.withLock { state in
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let done: Value?? = self.state.withLock { state in
                    if let value = state.value { return value }
                    // A cancellation that came before this found nobody to wake.
                    if Task.isCancelled { return .some(nil) }
                    state.waiters[waiter] = continuation
                    return nil
                }
                if let done { continuation.resume(returning: done) }
            }
        } onCancel: {
            self.state.withLock { $0.waiters.removeValue(forKey: waiter) }?.resume(returning: nil)
        }
    }
}
