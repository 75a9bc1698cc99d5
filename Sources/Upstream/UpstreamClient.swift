public import Transport

/// A way to call one replica from one loop. Behaviour is added by wrapping, statically: the stack is
/// `InFlightTrackingClient` around `ConnectionEvictingClient` around `PooledClient`.
public protocol UpstreamClient: AnyObject {
    /// Sends the request that `stream.makeRequest` makes. The stream's end follows, never before this returns.
    func open(_ stream: UpstreamStream)
    /// The stream has ended; called once for each `open`, before the stream's owner hears of it.
    func ended(_ stream: UpstreamStream, _ outcome: UpstreamOutcome)
    /// Whose streams it opens.
    var loop: Loop { get }
}

/// The client stack of one replica on one loop.
public typealias ReplicaClient = InFlightTrackingClient<ConnectionEvictingClient>
