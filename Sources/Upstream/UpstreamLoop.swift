public import Transport
public import Wire

/// The client stacks of one loop, made when they are first used. Lives on its loop.
public final class UpstreamLoop {
    public let loop: Loop
    private let factory: HTTP2SessionFactory
    private let clock: SilenceClock
    /// Counts the bytes that streams of this loop hold, on both legs.
    public let account = BufferAccount()
    /// By `Replica.slot`.
    private var clients = ContiguousArray<ReplicaClient?>()
    /// Whose they are, by `Replica.serial`.
    private var owners = ContiguousArray<UInt64>()

    public init(on loop: Loop, settings: HTTP2Settings = HTTP2Settings()) {
        self.loop = loop
        self.factory = HTTP2SessionFactory(settings: settings)
        self.clock = SilenceClock(on: loop)
    }

    public func client(of replica: Replica, in cluster: Cluster) -> ReplicaClient {
        if replica.slot < self.owners.count, self.owners[replica.slot] == replica.serial,
            let client = self.clients[replica.slot]
        {
            return client
        }
        return self.makeClient(of: replica, in: cluster)
    }

    private func makeClient(of replica: Replica, in cluster: Cluster) -> ReplicaClient {
        let pooled = PooledClient(
            replica: replica, cluster: cluster, on: self.loop, factory: self.factory, account: self.account,
            clock: self.clock)
        let client = InFlightTrackingClient(
            around: ConnectionEvictingClient(around: pooled, cluster: cluster), cluster: cluster)
        // Picked just before it left: its connection ends with the stream, and the slot may be another one's.
        guard !replica.isGone else {
            pooled.retire()
            return client
        }
        while self.clients.count <= replica.slot {
            self.clients.append(nil)
            self.owners.append(0)
        }
        self.clients[replica.slot] = client
        self.owners[replica.slot] = replica.serial
        return client
    }

    /// The replica is gone: lets open streams finish and closes its connections. Nothing of it is kept.
    /// - Parameter cuts: ends the streams that are open as well.
    func forget(_ replica: Replica, cuts: Bool) {
        guard let pool = self.pool(of: replica) else { return }
        if cuts { pool.abort() } else { pool.retire() }
        self.clients[replica.slot] = nil
        self.owners[replica.slot] = 0
    }

    private func pool(of replica: Replica) -> PooledClient? {
        guard replica.slot < self.owners.count, self.owners[replica.slot] == replica.serial else { return nil }
        return self.clients[replica.slot]?.inner.pool
    }

    /// The cluster has new settings.
    public func apply(_ settings: ClusterSettings, of cluster: Cluster) {
        for client in self.clients {
            if let pool = client?.inner.pool, pool.cluster === cluster { pool.apply(settings) }
        }
    }

    /// Calls `body` with every stream that is open to the replica.
    func forEachStream(of replica: Replica, _ body: (UpstreamStream) -> Void) {
        self.pool(of: replica)?.forEachStream(body)
    }

    /// Lets open streams finish and closes all connections of the loop.
    public func retire() {
        for client in self.clients { client?.inner.pool.retire() }
    }

    /// Closes all connections of the loop, with the streams that are still on them.
    public func abort() {
        for client in self.clients { client?.inner.pool.abort() }
    }
}
