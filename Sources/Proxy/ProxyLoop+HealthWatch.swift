import Transport
import Wire

/// A caller that watches a service, and what it was told last.
struct HealthWatcher {
    let stream: ProxyStream
    /// Tells a stream object that was reused from the one that watches.
    let startNs: UInt64
    let service: [UInt8]
    var told: HealthCheckResponse.Status?

    init(stream: ProxyStream, service: [UInt8]) {
        self.stream = stream
        self.startNs = stream.startNs
        self.service = service
    }

    var isOpen: Bool { self.stream.isAttached && self.stream.startNs == self.startNs }
}

/// The callers of the loop that watch services, looked after with one timer while there are any.
extension ProxyLoop {
    /// How late a change may be told.
    private static let watchNs: UInt64 = 100_000_000
    /// Bytes that a watcher who does not read may leave; what changes meanwhile it is not told.
    private static let mostUnread = 1_024

    var healthServices: HealthServices {
        HealthServices(directory: self.runtime.directory, isDraining: self.isDraining)
    }

    /// Tells every watcher what has changed since it was told last.
    func tellWatchers() {
        self.watchers.removeAll { !$0.isOpen }
        guard !self.watchers.isEmpty else { return }
        let services = self.healthServices
        for position in self.watchers.indices {
            let status = services.status(of: self.watchers[position].service) ?? .serviceUnknown
            guard self.watchers[position].told != status else { continue }
            let stream = self.watchers[position].stream
            guard stream.unframedBytes < Self.mostUnread else { continue }
            self.watchers[position].told = status
            stream.send(GRPCFrame.framed(HealthCheckResponse(status).encoded()))
        }
        self.scheduleWatch()
    }

    /// Ends every watch: its connection is about to close with its last stream.
    func endWatches() {
        for watcher in self.watchers where watcher.isOpen { watcher.stream.endMessages() }
        self.watchers.removeAll()
    }

    private func scheduleWatch() {
        guard !self.watchIsScheduled else { return }
        self.watchIsScheduled = true
        let bound = LoopBound(self, on: self.loop)
        self.loop.schedule(after: Self.watchNs) {
            bound.value.watchIsScheduled = false
            bound.value.tellWatchers()
        }
    }
}
