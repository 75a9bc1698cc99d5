internal import COpenSSL
internal import Glibc
internal import Synchronization

/// The event loops of one process, one thread each.
public final class LoopGroup: Sendable {
    public let loops: [Loop]
    private let life = Mutex(Life())
    private let listeners = Atomic(0)

    private struct Life: Sendable {
        var running: Int = 0
        var isStopping = false
        /// Who waits for the last thread to end.
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Starts `count` threads; zero means one for each processor that this process may use.
    public init(count: Int) {
        // A peer that went away is an error of one write, and not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        // OpenSSL would take itself down in exit(), under threads that still use it: libpq's, in a look that hangs.
        _ = unsafe OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
        let count = count > 0 ? count : ProcessorCount.usable
        self.loops = (0..<count).map { Loop(index: $0) }
        self.life.withLock { $0.running = count }
        for loop in self.loops {
            Self.startThread {
                loop.takeTurns()
                self.threadEnded()
            }
        }
    }

    /// Ends the threads. Links that are still open are cut.
    public func shutdown() async {
        let isFirst = self.life.withLock { life in
            defer { life.isStopping = true }
            return !life.isStopping
        }
        if isFirst {
            for loop in self.loops { loop.execute { loop.stop() } }
        }
        await withCheckedContinuation { continuation in
            let isOver = self.life.withLock { life in
                if life.running > 0 { life.waiting.append(continuation) }
                return life.running == 0
            }
            if isOver { continuation.resume() }
        }
    }

    /// Listeners are spread over the loops, too.
    func nextForListener() -> Loop {
        self.loops[self.listeners.wrappingAdd(1, ordering: .relaxed).oldValue % self.loops.count]
    }

    private func threadEnded() {
        let waiting = self.life.withLock { life in
            life.running -= 1
            defer { if life.running == 0 { life.waiting = [] } }
            return life.running == 0 ? life.waiting : []
        }
        for continuation in waiting { continuation.resume() }
    }

    /// What a new thread is to do, on its way there.
    private final class Errand: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private static func startThread(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let errand = unsafe Unmanaged.passRetained(Errand(body)).toOpaque()
        let result = unsafe pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer = unsafe pointer else { return nil }
                unsafe Unmanaged<Errand>.fromOpaque(pointer).takeRetainedValue().body()
                return nil
            }, errand)
        precondition(result == 0, "a process that starts gets its threads")
        pthread_detach(thread)
    }
}
