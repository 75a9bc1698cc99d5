/// What a connection is told by its session, besides what its streams are told. Called on the connection's loop, never
/// from inside an nghttp2 callback, except `makeStream`, which must only make an object.
public protocol HTTP2SessionDelegate: AnyObject {
    /// The peer has begun a request; the object that will stand for it. Server sessions only.
    func makeStream() -> HTTP2Stream
    /// Something is to be sent: call `drain` before the loop sleeps.
    func sessionNeedsDrain()
    /// The peer's settings have changed.
    func settingsArrived()
    /// The peer has answered a PING of ours: it has read all that was sent before it.
    func pingAnswered()
    /// The peer will not take streams above `lastStreamID`; open ones at or below it go on (RFC 9113 §6.8).
    func goAwayArrived(lastStreamID: Int32, code: HTTP2ErrorCode)
    /// We sent GOAWAY with an error: the peer broke the protocol. Server sessions only.
    func errorGoAwaySent(_ code: HTTP2ErrorCode)
    /// A request was refused because as many as we allow are open. Server sessions only.
    func streamRefused()
    /// We reset a stream because its peer broke a rule of RFC 9113. Server sessions only.
    func streamErrorSent(_ code: HTTP2ErrorCode)
    /// The last open stream has been closed and detached; it has been told before.
    func lastStreamClosed()
}

/// What only a connection to callers counts.
extension HTTP2SessionDelegate {
    public func pingAnswered() {}
    public func errorGoAwaySent(_ code: HTTP2ErrorCode) {}
    public func streamRefused() {}
    public func streamErrorSent(_ code: HTTP2ErrorCode) {}
}
