import Upstream
import Wire

/// What of a caller's request is not sent on as it came, by the cluster that it goes to.
struct UpstreamWay {
    /// Headers of the caller that stay behind.
    let dropped: HeaderTokenSet
    /// `:scheme`, when one leg is encrypted and the other is not.
    let scheme: StaticString?
    /// The value of `authorization` that the proxy adds.
    let token: [UInt8]?

    private static let dropped = HeaderTokenSet(.grpcTimeout)

    /// - Parameter auth: of the cluster's settings.
    init(from access: ListenerAccess, to cluster: Cluster, _ auth: UpstreamAuthSettings) {
        var dropped = Self.dropped
        // The one of the settings says only whether there is one: it may have been exchanged since.
        self.token = auth.token == nil ? nil : cluster.tokens.current.first?.revealHeader()
        if auth.token != nil || !auth.passThrough { dropped = dropped.with(.authorization) }
        let isEncrypted = cluster.tls != nil
        if isEncrypted != access.isEncrypted {
            dropped = dropped.with(.scheme)
            self.scheme = isEncrypted ? "https" : "http"
        } else {
            self.scheme = nil
        }
        self.dropped = dropped
    }
}
