internal import Synchronization
package import Transport
import Wire

/// The embedded worker as a server: binds, serves on one loop, and stops.
///
/// ```
/// start ──bound──► serving ──stop: GOAWAY──► open calls end, or the limit ──► stopped
/// ```
/// It uses the proxy's own Transport, Connection and Wire, so that what it proves about them is true of the proxy.
package final class DemoWorkerServer: Sendable {
    /// What is bound, with the real port when port 0 was asked for.
    package let endpoint: Endpoint
    private let listener: Listener
    private let group: LoopGroup
    private let worker: LoopBound<WorkerLoop>
    private let stopping = Mutex<Task<WorkerLoad, Never>?>(nil)

    private init(listener: Listener, group: LoopGroup, worker: LoopBound<WorkerLoop>) {
        self.endpoint = listener.endpoint
        self.listener = listener
        self.group = group
        self.worker = worker
    }

    /// Binds `settings.listen` and serves. Throws when the address cannot be bound.
    /// - Parameter died: told on the loop when the simulated worker crashes, with the reason; it should end the process.
    package static func start(
        _ settings: WorkerSettings, died: @escaping @Sendable (String) -> Void
    ) async throws -> DemoWorkerServer {
        let group = LoopGroup(count: 1)
        let loop = group.loops[0]
        let worker = LoopBound(WorkerLoop(settings, on: loop, died: died), on: loop)
        do {
            let listener = try await Listener.bind(settings.listen, on: group) { _ in
                WorkerConnection(to: worker.value)
            }
            return DemoWorkerServer(listener: listener, group: group, worker: worker)
        } catch {
            await group.shutdown()
            throw error
        }
    }

    /// What the worker holds now.
    package func load() async -> WorkerLoad {
        let worker = self.worker
        return await worker.loop.run { worker.value.load }
    }

    /// Takes no new calls, lets open ones end within the settings' limit, and ends the loop. Returns what was left at
    /// the end, which is nothing unless something leaks. Later calls wait for the first one.
    @discardableResult
    package func stop() async -> WorkerLoad {
        let task = self.stopping.withLock { task in
            let running = task ?? Task { await self.stopOnce() }
            task = running
            return running
        }
        return await task.value
    }

    private func stopOnce() async -> WorkerLoad {
        await self.listener.close()
        let worker = self.worker
        await withCheckedContinuation { continuation in
            worker.loop.execute { worker.value.stop { continuation.resume() } }
        }
        let left = await self.load()
        await self.group.shutdown()
        return left
    }
}
