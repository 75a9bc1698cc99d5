import Connection
import Transport
import Wire

/// A caller's connection to the embedded worker. Lives on the worker's loop; its link keeps it alive.
final class WorkerConnection: HTTP2Connection {
    private let worker: WorkerLoop

    init(to worker: WorkerLoop) {
        self.worker = worker
        super.init(.server, on: worker.loop, factory: worker.sessionFactory)
    }

    override func opened() { self.worker.opened(self) }

    override func closed(_ closure: LinkClosure) { self.worker.closed(self) }

    override func makeStream() -> HTTP2Stream { WorkerStream(on: self, of: self.worker) }
}
