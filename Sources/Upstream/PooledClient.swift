import Connection
public import Transport
import Wire

/// The connections of one loop to one replica, opened when a stream needs them. A stream never crosses loops.
///
/// Lives on one loop, owned by the client stack.
public final class PooledClient: UpstreamClient {
    public let replica: Replica
    public let loop: Loop
    private(set) var settings: PoolSettings
    private(set) var stallSettings: StallSettings
    private let tls: TLSContext?
    private let tokens: BearerTokens
    private let factory: HTTP2SessionFactory
    let cluster: Cluster
    /// Of the loop.
    let clock: SilenceClock
    /// Counts what the streams of this loop hold.
    let account: BufferAccount
    private var connections: [UpstreamConnection] = []
    /// Connections that take no new streams but have not closed yet.
    private var leaving: [UpstreamConnection] = []
    /// No connection is kept once its streams have ended.
    private var isRetired = false
    /// Told once for each connection that ends.
    var connectionEnded: (UpstreamConnection, LinkClosure) -> Void = { _, _ in }

    init(
        replica: Replica, cluster: Cluster, on loop: Loop, factory: HTTP2SessionFactory, account: BufferAccount,
        clock: SilenceClock
    ) {
        self.replica = replica
        self.cluster = cluster
        self.clock = clock
        let settings = cluster.settings
        self.settings = settings.connections
        self.stallSettings = settings.stall
        self.tls = cluster.tls
        self.tokens = cluster.tokens
        self.loop = loop
        self.factory = factory
        self.account = account
    }

    public func open(_ stream: UpstreamStream) {
        // A connection that has used up its stream identifiers refuses; a new one does not.
        if self.submit(stream, on: self.connectionWithRoom()) || self.submit(stream, on: self.connect()) { return }
        let loopBound = LoopBound(stream, on: self.loop)
        self.loop.execute { loopBound.value.over(.failed(.refused)) }
    }

    public func ended(_ stream: UpstreamStream, _ outcome: UpstreamOutcome) {}

    /// What calls of our own send as `authorization`; nil sends none.
    var ownAuthorization: [UInt8]? { self.tokens.current.first?.revealHeader() }
    /// `:scheme` of requests to the replica.
    var scheme: StaticString { self.tls == nil ? "http" : "https" }
    /// `:authority` of requests of our own.
    var ownAuthority: String {
        self.tls?.authority(of: self.replica.endpoint) ?? self.replica.endpoint.authority
    }

    /// What counts from now on; connections that are open keep what they began with.
    func apply(_ settings: ClusterSettings) {
        self.settings = settings.connections
        self.stallSettings = settings.stall
    }

    /// The connection is silent although streams wait on it.
    func stalled(_ connection: UpstreamConnection) { self.cluster.stalled(self.replica) }
    /// A connection that was stalled has been heard again, or is closed.
    func resumed(_ connection: UpstreamConnection) { self.cluster.resumed(self.replica) }
    /// The replica answers PINGs, and no call.
    func forgotten() { self.cluster.forgot(self.replica) }
    /// When a call to the replica, on whatever loop, was answered last.
    func lastAnswerNs() -> UInt64 { self.cluster.lastAnswerNs(of: self.replica) }

    /// Calls `body` with every stream that is open here.
    public func forEachStream(_ body: (UpstreamStream) -> Void) {
        for connection in self.connections + self.leaving {
            connection.session.forEachStream { if let stream = $0 as? UpstreamStream { body(stream) } }
        }
    }

    /// Connections that are open or opening.
    public var connectionCount: Int { self.connections.count + self.leaving.count }

    /// Lets open streams finish and closes all connections, and those that are opened later after their stream.
    public func retire() {
        self.isRetired = true
        for connection in self.connections {
            self.remove(connection)
            connection.retire()
        }
    }

    /// Closes all connections, with the streams that are still on them.
    public func abort() {
        self.retire()
        for connection in self.leaving where connection.streamCount > 0 { connection.abort() }
    }

    private func submit(_ stream: UpstreamStream, on connection: UpstreamConnection) -> Bool {
        let list = connection.session.newHeaderList()
        let ended = stream.makeRequest(list)
        guard connection.session.submitRequest(stream, list, ended: ended) else {
            self.remove(connection)
            connection.retire()
            return false
        }
        stream.opened(on: connection)
        if self.isRetired {
            self.remove(connection)
            connection.retire()
        }
        return true
    }

    /// The connection with the fewest streams that has room, or a new one when there are fewer than wanted and every
    /// one has streams, or when all are full.
    private func connectionWithRoom() -> UpstreamConnection {
        var best: UpstreamConnection?
        for connection in self.connections where connection.hasRoom {
            if connection.streamCount < (best?.streamCount ?? .max) { best = connection }
        }
        if let best, best.streamCount == 0 || self.connections.count >= self.settings.perLoop { return best }
        return self.connect()
    }

    private func connect() -> UpstreamConnection {
        let connection = UpstreamConnection(pool: self, on: self.loop, factory: self.factory)
        let link = Link(on: self.loop, handler: connection)
        connection.own(link)
        self.connections.append(connection)
        self.replica.connectionOpened()
        Connector.connect(
            link, to: self.replica.endpoint, timeoutMs: self.settings.connectTimeoutMs, tls: self.tls)
        return connection
    }

    /// No new streams go to this connection.
    func remove(_ connection: UpstreamConnection) {
        guard connection.isInPool else { return }
        connection.isInPool = false
        self.connections.removeAll { $0 === connection }
        self.leaving.append(connection)
    }

    func connectionClosed(_ connection: UpstreamConnection, _ closure: LinkClosure) {
        self.connectionEnded(connection, closure)
        self.remove(connection)
        self.leaving.removeAll { $0 === connection }
        self.replica.connectionClosed()
    }
}
