package import Connection
import Synchronization
package import Transport
package import Wire

/// A worker that does what a test says, over real HTTP/2 on a loopback port, and remembers what it was asked.
///
/// Safe to use from every thread; its streams live on the loops of `TestLoops`.
package final class ScriptedWorker: Sendable {
    /// One call as the worker saw it.
    package struct Call: Sendable {
        package var path = ""
        package var headers: ScriptedAnswer.Fields = []
        package var body: [UInt8] = []
        package var requestEnded = false
        package var closure: StreamClosure?
    }

    struct State: Sendable {
        var behavior: WorkerBehavior
        /// Its address, for the header that says which worker answered.
        var name = ""
        var calls: [Call] = []
        var connections: [LoopBound<HTTP2Connection>] = []
        var opened = 0
        var isLoaded = true
        var failsLoads = false
        var holdsLoads = false
        var heldLoads: [LoopBound<WorkerStream>] = []
        /// Calls that are open, without those about health and the model.
        var openCalls = 0
        var loadsUnderWay = 0
        var forbiddenLoads = 0
    }

    package let endpoint: Endpoint
    private let listener: Listener?
    private let script: Script

    /// What the listener's closure and the streams share with the worker.
    final class Script: Sendable {
        let state: Mutex<State>
        init(_ behavior: WorkerBehavior) { self.state = Mutex(State(behavior: behavior)) }
    }

    private init(endpoint: Endpoint, listener: Listener?, script: Script) {
        self.endpoint = endpoint
        self.listener = listener
        self.script = script
    }

    /// Starts one on a port that the system chooses, or on `endpoint`. A refusing one listens only long enough to know a
    /// port, at a loopback address that no other test uses: at 127.0.0.1 the port might soon be somebody else's.
    package static func start(_ behavior: WorkerBehavior, at endpoint: Endpoint? = nil) async throws -> ScriptedWorker {
        var endpoint = endpoint ?? .anyPort
        if case .refusing = behavior {
            let numbers = (0..<3).map { _ in Int.random(in: 1...254) }
            endpoint = Endpoint(.host("127.\(numbers[0]).\(numbers[1]).\(numbers[2])", port: 0))
        }
        let script = Script(behavior)
        if case .notLoaded = behavior { script.state.withLock { $0.isLoaded = false } }
        let listener = try await Listener.bind(endpoint, on: TestLoops.shared) { loop in
            switch script.state.withLock({ $0.behavior }) {
            case .goAway: return GoAwayPeer()
            case .mute: return MutePeer()
            default: ()
            }
            let connection = WorkerConnection(on: loop, script: script)
            script.state.withLock {
                $0.connections.append(LoopBound(connection, on: loop))
                $0.opened += 1
            }
            return connection
        }
        script.state.withLock { $0.name = listener.endpoint.description }
        if case .refusing = behavior {
            await listener.close()
            return ScriptedWorker(endpoint: listener.endpoint, listener: nil, script: script)
        }
        return ScriptedWorker(endpoint: listener.endpoint, listener: listener, script: script)
    }

    /// Closes the port and cuts every connection.
    package func stop() async {
        await self.listener?.close()
        await self.cut()
    }

    /// Cuts every connection, as a process that dies does.
    package func cut() async {
        let connections = self.script.state.withLock { state in
            defer { state.connections = [] }
            return state.connections
        }
        for connection in connections { await connection.loop.run { connection.value.abort() } }
    }

    package func behave(_ behavior: WorkerBehavior) { self.script.state.withLock { $0.behavior = behavior } }

    /// Loads fail with OK and `success` false from now on, or succeed again.
    package func failLoads(_ fails: Bool) { self.script.state.withLock { $0.failsLoads = fails } }

    /// The model is gone, as after a restart.
    package func loseModel() { self.script.state.withLock { $0.isLoaded = false } }

    /// Loads are not answered until `releaseLoads`.
    package func holdLoads() { self.script.state.withLock { $0.holdsLoads = true } }

    package func releaseLoads() {
        let held = self.script.state.withLock { state in
            defer { state.heldLoads = [] }
            state.holdsLoads = false
            return state.heldLoads
        }
        for stream in held { stream.loop.execute { stream.value.answerLoad() } }
    }

    /// Calls of a method by its name, in the order in which they came; of the data path without a name.
    package func calls(_ method: String? = nil) -> [Call] {
        self.script.state.withLock { $0.calls }.filter { call in
            if let method { return call.path == "/backend.Backend/\(method)" }
            return !WorkerStream.isControl(call.path)
        }
    }

    package var connectionsOpened: Int { self.script.state.withLock { $0.opened } }
    package var isLoaded: Bool { self.script.state.withLock { $0.isLoaded } }
    /// Loads that came while calls were open or another load was under way.
    package var forbiddenLoads: Int { self.script.state.withLock { $0.forbiddenLoads } }
}

extension Endpoint {
    /// Loopback, with a port that the system chooses.
    package static var anyPort: Endpoint { Endpoint(.host("127.0.0.1", port: 0)) }
}

/// The loops of workers and callers in tests; those of a proxy under test are its own.
package enum TestLoops {
    package static let shared = LoopGroup(count: 2)
}

/// A worker's side of one connection.
final class WorkerConnection: HTTP2Connection {
    private let script: ScriptedWorker.Script
    private let account = BufferAccount()

    init(on loop: Loop, script: ScriptedWorker.Script) {
        self.script = script
        super.init(.server, on: loop, factory: HTTP2SessionFactory(settings: HTTP2Settings()))
    }

    override func makeStream() -> HTTP2Stream {
        WorkerStream(on: self, script: self.script, account: self.account)
    }
}

/// Answers the first bytes with SETTINGS and a GOAWAY that leaves every stream out, and nothing else.
final class GoAwayPeer: LinkHandler, LinkOwner {
    private var link: Link?
    private var output: [UInt8] = [
        0, 0, 0, 4, 0, 0, 0, 0, 0,
        0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    private var hasReceived = false

    func own(_ link: Link) { self.link = link }
    func linkOpened() {}
    func linkReceived(_ bytes: RawSpan) {
        self.hasReceived = true
        self.link?.needsDrain()
    }
    func linkDrains(into output: inout OutputRawSpan) -> Bool {
        guard self.hasReceived else { return false }
        for byte in self.output { output.append(byte) }
        self.output = []
        return false
    }
    func linkClosed(_ closure: LinkClosure) { self.link = nil }
}

/// Takes everything and says nothing.
final class MutePeer: LinkHandler, LinkOwner {
    private var link: Link?

    func own(_ link: Link) { self.link = link }
    func linkOpened() {}
    func linkReceived(_ bytes: RawSpan) {}
    func linkDrains(into output: inout OutputRawSpan) -> Bool { false }
    func linkClosed(_ closure: LinkClosure) { self.link = nil }
}
