import Upstream
import Wire

/// What of a caller's request is not sent on as it came, by the cluster that it goes to. Plain values, made once for the
/// settings of a cluster: every request asks.
struct UpstreamWay: Sendable {
    /// Whether the proxy adds its own token. The one of the settings says only that: it may have been exchanged since.
    let addsToken: Bool
    private let isEncrypted: Bool
    private let alwaysDropped: HeaderTokenSet

    /// - Parameter auth: of the cluster's settings.
    init(to cluster: Cluster, _ auth: UpstreamAuthSettings) {
        self.addsToken = auth.token != nil
        self.isEncrypted = cluster.tls != nil
        let dropped = HeaderTokenSet(.grpcTimeout)
        self.alwaysDropped = auth.token != nil || !auth.passThrough ? dropped.with(.authorization) : dropped
    }

    /// `:scheme`, when one leg is encrypted and the other is not; nil leaves the caller's.
    func scheme(whenCallerIsEncrypted isEncrypted: Bool) -> StaticString? {
        self.isEncrypted == isEncrypted ? nil : self.isEncrypted ? "https" : "http"
    }

    /// Headers of the caller that stay behind.
    func dropped(whenCallerIsEncrypted isEncrypted: Bool) -> HeaderTokenSet {
        self.isEncrypted == isEncrypted ? self.alwaysDropped : self.alwaysDropped.with(.scheme)
    }
}
