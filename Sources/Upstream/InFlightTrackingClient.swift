import Routing
public import Transport

/// Counts every stream to a replica from the pick to the stream's end, whatever way it ends.
///
/// The count is the lease that the pick took; there is no second one. Lives on one loop.
public final class InFlightTrackingClient<Inner: UpstreamClient>: UpstreamClient {
    public let inner: Inner
    private let cluster: Cluster

    init(around inner: Inner, cluster: Cluster) {
        self.inner = inner
        self.cluster = cluster
    }

    public var loop: Loop { self.inner.loop }

    public func open(_ stream: UpstreamStream) {
        self.inner.open(stream)
    }

    public func ended(_ stream: UpstreamStream, _ outcome: UpstreamOutcome) {
        self.inner.ended(stream, outcome)
        // Probes and loads carry no lease: they are no load that routing should see.
        guard let lease = stream.lease else { return }
        stream.lease = nil
        self.cluster.release(lease, outcome, stream.observation, StreamReport(stream), at: self.loop.moment)
        stream.observation = .none
    }
}
