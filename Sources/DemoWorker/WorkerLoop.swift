import Connection
import Transport
import Wire

/// The embedded worker on its one loop: its connections, the streams whose calls are open, and the model that answers
/// them. It tells the model what time it is and carries out what the model says.
///
/// ```
/// stream ──call──► SimulatedModel ──actions──► streams          timer ──time──► SimulatedModel ──actions──► streams
/// ```
/// Lives on its loop; others reach it through `LoopBound`.
final class WorkerLoop {
    let loop: Loop
    let settings: WorkerSettings
    let sessionFactory = HTTP2SessionFactory(settings: HTTP2Settings())
    let account = BufferAccount()
    let arena = MessageArena()
    private let died: @Sendable (String) -> Void
    private var model: SimulatedModel
    private var connections: [ObjectIdentifier: WorkerConnection] = [:]
    /// Streams whose call is open.
    private var streams: [CallID: WorkerStream] = [:]
    private var lastCall: UInt64 = 0
    /// Set while the model has something to do by itself.
    private var timer: (at: UInt64, timer: LoopTimer)?
    private var stopping: (limit: LoopTimer, completion: () -> Void)?

    /// - Parameter died: told when the worker crashes, as real ones do; nothing is sent afterwards.
    init(_ settings: WorkerSettings, on loop: Loop, died: @escaping @Sendable (String) -> Void) {
        self.loop = loop
        self.settings = settings
        self.died = died
        self.model = SimulatedModel(settings)
    }

    // MARK: Calls

    /// A caller's request is here; what the model says to it goes to `stream` from now on.
    func call(_ call: WorkerCall, from stream: WorkerStream) -> CallID {
        self.lastCall += 1
        let id = CallID(self.lastCall)
        self.streams[id] = stream
        self.act(self.model.arrived(call, id, at: Loop.now))
        return id
    }

    /// The caller of `id` is gone, or the call has had its time. Its slot is free when this returns.
    func cancel(_ id: CallID) {
        guard self.streams.removeValue(forKey: id) != nil else { return }
        self.act(self.model.cancelled(id, at: Loop.now))
    }

    private func act(_ actions: [WorkerAction]) {
        for action in actions {
            switch action {
            case .message(let id, let message): self.streams[id]?.answer(message)
            case .end(let id, let code, let text): self.streams.removeValue(forKey: id)?.end(GRPCStatus(code, text))
            case .die(let why): return self.died(why)
            }
        }
        self.setTimer()
    }

    private func setTimer() {
        let next = self.model.nextEventAt
        guard next != self.timer?.at else { return }
        self.timer?.timer.cancel()
        self.timer = nil
        guard let next else { return }
        let now = Loop.now
        let bound = LoopBound(self, on: self.loop)
        let timer = self.loop.schedule(after: next > now ? next - now : 0) { bound.value.timerFired() }
        self.timer = (next, timer)
    }

    private func timerFired() {
        self.timer = nil
        self.act(self.model.timePassed(to: Loop.now))
    }

    // MARK: Connections

    func opened(_ connection: WorkerConnection) {
        self.connections[ObjectIdentifier(connection)] = connection
        if self.stopping != nil { connection.finishShutDown() }
    }

    func closed(_ connection: WorkerConnection) {
        self.connections.removeValue(forKey: ObjectIdentifier(connection))
        self.stopIfQuiet()
    }

    /// Tells every caller to open no new streams and lets open ones end; what is open at the settings' limit is cut.
    /// `completion` is called when no connection is left. Once.
    func stop(_ completion: @escaping () -> Void) {
        precondition(self.stopping == nil, "a worker stops once")
        let bound = LoopBound(self, on: self.loop)
        let limitNs = UInt64(max(0, self.settings.stopLimitMs)) * 1_000_000
        let limit = self.loop.schedule(after: limitNs) { bound.value.abort() }
        self.stopping = (limit, completion)
        for connection in self.connections.values { connection.finishShutDown() }
        self.stopIfQuiet()
    }

    private func abort() {
        for connection in self.connections.values { connection.abort() }
    }

    private func stopIfQuiet() {
        guard let stopping = self.stopping, self.connections.isEmpty else { return }
        self.stopping = nil
        stopping.limit.cancel()
        self.timer?.timer.cancel()
        stopping.completion()
    }

    var load: WorkerLoad {
        WorkerLoad(
            connections: self.connections.count, calls: self.streams.count, bufferedBytes: self.account.bytes,
            isIdle: self.model.isIdle)
    }
}

/// What a worker holds at one moment.
package struct WorkerLoad: Sendable, Equatable {
    package var connections = 0
    /// Calls that have not been answered completely.
    package var calls = 0
    /// Bytes of answers that callers have not taken.
    package var bufferedBytes = 0
    /// Whether the model has nothing to do.
    package var isIdle = true

    package init() {}

    init(connections: Int, calls: Int, bufferedBytes: Int, isIdle: Bool) {
        self.connections = connections
        self.calls = calls
        self.bufferedBytes = bufferedBytes
        self.isIdle = isIdle
    }
}
