/// What is different from listener to listener: where its streams go, who may call, and how.
package struct ListenerAccess: Sendable {
    /// The cluster that everything goes to, as a position in the directory; nil when the request decides.
    package var cluster: Int?
    package var tokens = TokenCheck()
    /// Whether callers speak TLS.
    package var isEncrypted = false

    package init(cluster: Int? = nil) { self.cluster = cluster }
}
