/// What is on top of a link: an HTTP/2 connection. All calls come on the link's loop.
public protocol LinkHandler: AnyObject {
    /// A listener's link has a peer, which with TLS has its handshake before it. Comes once, before everything else.
    func linkAccepted()
    /// The link is open. Comes once, before bytes do, and not at all when a connect fails.
    func linkOpened()
    /// Bytes have arrived; they are valid during the call only.
    func linkReceived(_ bytes: RawSpan)
    /// Puts what is to be sent into `output`, and returns whether there is more than fitted. Called at the end of a turn
    /// after `Link.needsDrain`, and only while the peer takes what was sent before.
    func linkDrains(into output: inout OutputRawSpan) -> Bool
    /// The link is closed, by whichever side. Comes once, also when a connect fails; nothing follows.
    func linkClosed(_ closure: LinkClosure)
}

extension LinkHandler {
    public func linkAccepted() {}
}

/// Why a link is closed.
public enum LinkClosure: Sendable, Equatable {
    /// We closed it.
    case closedByUs
    /// The peer closed it in order, or both did.
    case closedByPeer
    /// The kernel reported an error on an open link: reset, timed out, unreachable.
    case broken(String)
    /// It never opened: no connection, or no TLS on it.
    case connectFailed(ConnectFailure)
}

/// Why a link never opened.
public enum ConnectFailure: Sendable, Equatable {
    /// Nothing listens there.
    case refused
    case timedOut
    /// No such host, no route, no such file …
    case unreachable(String)
    /// The TLS handshake failed.
    case tls(TLSFailure)
}
