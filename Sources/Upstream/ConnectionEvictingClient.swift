public import Transport

/// Takes a connection out when it fails, and tells the cluster that its replica may be gone: by connection and by
/// replica, never by model, and once for each connection however many streams it carried.
///
/// Lives on one loop.
public final class ConnectionEvictingClient: UpstreamClient {
    private let inner: PooledClient
    private let cluster: Cluster

    init(around inner: PooledClient, cluster: Cluster) {
        self.inner = inner
        self.cluster = cluster
        inner.connectionEnded = { [weak self] connection, closure in
            self?.connectionEnded(connection, closure)
        }
    }

    public var pool: PooledClient { self.inner }
    public var loop: Loop { self.inner.loop }

    public func open(_ stream: UpstreamStream) {
        self.inner.open(stream)
    }

    public func ended(_ stream: UpstreamStream, _ outcome: UpstreamOutcome) {
        if case .failed(let failure) = outcome, failure.isOfConnection, let connection = stream.connection {
            self.evict(connection, failure)
        }
        self.inner.ended(stream, outcome)
    }

    /// A connection without streams can be lost as well, and says as much about its replica.
    private func connectionEnded(_ connection: UpstreamConnection, _ closure: LinkClosure) {
        if let failure = connection.failure { self.evict(connection, failure) }
    }

    private func evict(_ connection: UpstreamConnection, _ failure: UpstreamFailure) {
        guard connection.isInPool else { return }
        self.inner.remove(connection)
        self.cluster.connectionEvicted(self.inner.replica, failure)
    }
}
