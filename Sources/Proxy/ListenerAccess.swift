/// What is different from listener to listener: where its streams go, who may call, and how.
public struct ListenerAccess: Sendable {
    /// The cluster that everything goes to, as a position in the directory; nil when the request decides.
    public var cluster: Int?
    public var tokens = TokenCheck()
    /// Whether callers speak TLS.
    public var isEncrypted = false

    public init(cluster: Int? = nil) { self.cluster = cluster }
}
