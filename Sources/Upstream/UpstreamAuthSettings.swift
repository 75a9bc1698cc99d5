public import Wire

/// How the proxy proves itself to replicas. Configuration section `clusters[].auth`.
public struct UpstreamAuthSettings: Sendable, Equatable {
    /// Sent with every forwarded call, in place of the caller's own, and with our probes and loads.
    public var token: BearerToken?
    /// Whether callers' own `authorization` reaches the replicas while there is no `token`.
    public var passThrough = true

    public init() {}
}
