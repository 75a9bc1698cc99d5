package import Transport
package import Wire

/// The client stacks of one loop, made when they are first used. Lives on its loop.
package final class UpstreamLoop {
    package let loop: Loop
    private let factory: HTTP2SessionFactory
    private let clock: SilenceClock
    /// Counts the bytes that streams of this loop hold, on both legs.
    package let account = BufferAccount()
    /// By `Replica.slot`.
    private var clients = ContiguousArray<ReplicaClient?>()

    package init(on loop: Loop, settings: HTTP2Settings = HTTP2Settings()) {
        self.loop = loop
        self.factory = HTTP2SessionFactory(settings: settings)
        self.clock = SilenceClock(on: loop)
    }

    package func client(of replica: Replica, in cluster: Cluster) -> ReplicaClient {
        if replica.slot < self.clients.count, let client = self.clients[replica.slot] { return client }
        while self.clients.count <= replica.slot { self.clients.append(nil) }
        let pooled = PooledClient(
            replica: replica, cluster: cluster, on: self.loop, factory: self.factory, account: self.account,
            clock: self.clock)
        let client = InFlightTrackingClient(
            around: ConnectionEvictingClient(around: pooled, cluster: cluster), cluster: cluster)
        self.clients[replica.slot] = client
        return client
    }

    /// Calls `body` with every stream that is open to the replica.
    func forEachStream(of replica: Replica, _ body: (UpstreamStream) -> Void) {
        guard replica.slot < self.clients.count, let client = self.clients[replica.slot] else { return }
        client.inner.pool.forEachStream(body)
    }

    /// Lets open streams finish and closes all connections of the loop.
    package func retire() {
        for client in self.clients { client?.inner.pool.retire() }
    }

    /// Closes all connections of the loop, with the streams that are still on them.
    package func abort() {
        for client in self.clients { client?.inner.pool.abort() }
    }
}
