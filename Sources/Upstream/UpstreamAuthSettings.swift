package import Wire

/// How the proxy proves itself to replicas. Configuration section `clusters[].auth`.
package struct UpstreamAuthSettings: Sendable, Equatable {
    /// Sent with every forwarded call, in place of the caller's own, and with our probes and loads.
    package var token: BearerToken?
    /// Whether callers' own `authorization` reaches the replicas while there is no `token`.
    package var passThrough = true

    package init() {}
}
