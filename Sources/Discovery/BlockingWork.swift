import Dispatch
import Synchronization

/// Work that blocks its thread, such as a call into a C library, away from the threads that tasks share. One at a time.
struct BlockingWork: Sendable {
    private let queue: DispatchQueue

    /// - Parameter label: names the thread for debuggers.
    init(label: String) {
        self.queue = DispatchQueue(label: label)
    }

    /// What the work returns; nil as soon as the task is cancelled, and then the work ends unheard.
    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value? {
        let once = Once<Value?>()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                once.wait(continuation)
                self.queue.async { once.resume(returning: work()) }
            }
        } onCancel: {
            once.resume(returning: nil)
        }
    }

    /// A continuation that several may resume: the first one does.
    private final class Once<Value: Sendable>: Sendable {
        private enum State {
            case idle
            case waiting(CheckedContinuation<Value, Never>)
            case over(Value)
        }

        private let state = Mutex(State.idle)

        func wait(_ continuation: CheckedContinuation<Value, Never>) {
            let early: Value? = self.state.withLock { state in
                guard case .over(let value) = state else {
                    state = .waiting(continuation)
                    return nil
                }
                return value
            }
            if let early { continuation.resume(returning: early) }
        }

        func resume(returning value: Value) {
            let continuation: CheckedContinuation<Value, Never>? = self.state.withLock { state in
                switch state {
                case .idle:
                    state = .over(value)
                    return nil
                case .waiting(let continuation):
                    state = .over(value)
                    return continuation
                case .over: return nil
                }
            }
            continuation?.resume(returning: value)
        }
    }
}
