import Connection
import Routing
import Telemetry
public import Transport
public import Upstream
import Wire

/// One loop's share of the proxy: its downstream connections, its client stacks, and the things that its streams reuse.
///
/// Lives on its loop; other loops and tasks reach it through `LoopBound`.
public final class ProxyLoop {
    public let loop: Loop
    /// Exchanged whole by `take`.
    public private(set) var runtime: ProxyRuntime
    public let upstream: UpstreamLoop
    /// For connections that come from now on.
    private(set) var sessionFactory: HTTP2SessionFactory
    let arena = MessageArena()
    let accessLog: AccessLogWriter
    /// The last picks of this loop; may be read from every thread.
    public let decisions = DecisionLog()
    /// By position of the cluster: the chain of the prompt being routed. Reused, since a pick is over before the next; nil
    /// while it is lent.
    private var chains: ContiguousArray<PrefixChain?>
    private var connections: [ObjectIdentifier: DownstreamConnection] = [:]
    private var idleStreams: [ProxyStream] = []
    private var deadlines = DeadlineWheel<ProxyStream>(at: Loop.now)
    private var wheelIsTurning = false
    private(set) var isDraining = false
    var upkeepIsScheduled = false
    /// Who watches a service by `grpc.health.v1`.
    var watchers: [HealthWatcher] = []
    var watchIsScheduled = false

    /// Most stream objects that are kept for reuse.
    private static let maxIdleStreams = 256

    public init(on loop: Loop, runtime: ProxyRuntime, upstream: UpstreamLoop) {
        self.loop = loop
        self.runtime = runtime
        self.upstream = upstream
        self.sessionFactory = HTTP2SessionFactory(settings: HTTP2Settings(runtime.settings))
        self.accessLog = AccessLogWriter(to: runtime.accessLog)
        self.chains = ContiguousArray(runtime.sections.map { PrefixChain(settings: $0.routing) })
    }

    /// New settings: for connections and streams that begin from now on.
    public func take(_ runtime: ProxyRuntime) {
        if HTTP2Settings(runtime.settings) != HTTP2Settings(self.runtime.settings) {
            self.sessionFactory = HTTP2SessionFactory(settings: HTTP2Settings(runtime.settings))
        }
        for position in runtime.sections.indices
        where runtime.sections[position].routing != self.runtime.sections[position].routing {
            self.chains[position] = PrefixChain(settings: runtime.sections[position].routing)
        }
        self.runtime = runtime
    }

    // MARK: Connections

    /// Makes what goes on top of an accepted link.
    public func accept(listener: String, access: ListenerAccess = ListenerAccess()) -> DownstreamConnection {
        DownstreamConnection(on: self, listener: listener, access: access)
    }

    func accepted(_ connection: DownstreamConnection) {
        let hasRoom = self.makeRoomForConnection()
        self.connections[ObjectIdentifier(connection)] = connection
        self.runtime.metrics.connections.add()
        guard hasRoom else { return connection.abort() }
        self.scheduleUpkeep()
        if self.isDraining { connection.shutDown() }
    }

    func closed(_ connection: DownstreamConnection) {
        if self.connections.removeValue(forKey: ObjectIdentifier(connection)) != nil {
            self.runtime.metrics.connections.subtract()
        }
    }

    public var connectionCount: Int { self.connections.count }
    var openConnections: some Collection<DownstreamConnection> { self.connections.values }

    /// First step of a drain: every caller is told to open no new streams; those under way still get in.
    public func startDrain() {
        self.isDraining = true
        for connection in self.connections.values { connection.shutDown() }
        self.tellWatchers()
    }

    /// Connections whose caller has not answered yet that it knows of the drain: requests may be on their way.
    public var connectionsOwedNotice: Int { self.connections.values.count { $0.isOwedNotice } }

    /// Second step: streams opened from now on are refused; connections close with their last stream.
    public func finishDrain() {
        self.endWatches()
        for connection in self.connections.values { connection.finishShutDown() }
    }

    /// Last step: what is still open is cut.
    public func abort() {
        for connection in self.connections.values { connection.abort() }
        self.upstream.abort()
    }

    // MARK: Deadlines

    func watch(_ stream: ProxyStream, deadlineNs: UInt64) {
        self.deadlines.add(stream, serial: stream.serial, deadlineNs: deadlineNs, at: self.loop.moment)
        self.turnWheel()
    }

    /// One timer for all deadlines of the loop, and none while there are none.
    private func turnWheel() {
        guard !self.wheelIsTurning, self.deadlines.count > 0 else { return }
        self.wheelIsTurning = true
        let bound = LoopBound(self, on: self.loop)
        self.loop.schedule(after: DeadlineWheel<ProxyStream>.tickNs) { bound.value.tick() }
    }

    private func tick() {
        self.wheelIsTurning = false
        let late = self.deadlines.expired(at: Loop.now) { stream, serial in
            stream.serial == serial && stream.phase != .ended
        }
        for stream in late { stream.deadlinePassed() }
        self.turnWheel()
    }

    // MARK: Streams

    /// Lends the cluster's chain. It is taken out meanwhile, since a copy would count six references up and down.
    func withChain<Result>(_ position: Int, _ body: (inout PrefixChain) -> Result) -> Result {
        guard var chain = self.chains[position].take() else { preconditionFailure("a pick is over before the next") }
        let result = body(&chain)
        self.chains[position] = consume chain
        return result
    }

    func makeStream() -> ProxyStream {
        self.idleStreams.popLast() ?? ProxyStream(on: self)
    }

    func recycle(_ stream: ProxyStream) {
        if self.idleStreams.count < Self.maxIdleStreams { self.idleStreams.append(stream) }
    }
}

extension HTTP2Settings {
    /// What callers are told, and how much of what costs is taken from them.
    fileprivate init(_ settings: ProxySettings) {
        self.init()
        self.maxConcurrentStreams = settings.maxConcurrentStreams
        self.maxHeaderListBytes = settings.maxHeaderListBytes
        self.limits.resetsPerSecond = settings.maxResetsPerSecond
        self.limits.emptyFramesPerSecond = settings.maxEmptyFramesPerSecond
    }
}
