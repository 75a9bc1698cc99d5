import Synchronization

/// A value that somebody makes once and somebody else waits for.
final class Announcement<Value: Sendable>: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Value, Never>])
        case made(Value)
    }

    private let state = Mutex(State.waiting([]))

    /// Later calls change nothing.
    func made(_ value: Value) {
        let waiting: [CheckedContinuation<Value, Never>] = self.state.withLock { state in
            guard case .waiting(let waiting) = state else { return [] }
            state = .made(value)
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: value) }
    }

    var value: Value {
        get async {
            await withCheckedContinuation { continuation in
                let value: Value? = self.state.withLock { state in
                    switch state {
                    case .made(let value): return value
                    case .waiting(let waiting):
                        state = .waiting(waiting + [continuation])
                        return nil
                    }
                }
                if let value { continuation.resume(returning: value) }
            }
        }
    }
}
