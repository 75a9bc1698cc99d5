public import Transport
public import Wire

/// One HTTP/2 connection: a session on a link. Subclasses are the downstream connection, the upstream connection and
/// the demo worker's.
///
/// ```
/// open ──shutDown──► draining ──last stream──► closed
///   └──────────── link closed, protocol error ───┘
/// ```
/// Lives on its link's loop. The link keeps it alive while it is not closed.
open class HTTP2Connection: LinkHandler, LinkOwner, HTTP2SessionDelegate {
    public final let loop: Loop
    public final let session: HTTP2Session
    public private(set) final var link: Link!
    public private(set) final var isDraining = false
    public private(set) final var isClosed = false
    private var sessionIsBroken = false
    /// When the peer's first bytes came, from then on a server tells its settings; zero before, and on a client.
    public private(set) final var beganNs: UInt64 = 0
    /// A server says nothing before its peer did: who does not speak HTTP/2 then gets an answer that it can read.
    private var hasReceived = false
    /// The peer was sent away; what it still sends is not read.
    private var isRefused = false
    private var hasHeardNotice = false

    public init(_ role: HTTP2Session.Role, on loop: Loop, factory: HTTP2SessionFactory) {
        self.loop = loop
        self.session = HTTP2Session(role, factory: factory)
        self.session.own(self)
    }

    public final func own(_ link: Link) { self.link = link }

    /// Streams that are open on this connection.
    public final var streamCount: Int { self.session.streamCount }

    // MARK: For subclasses

    /// There is a peer, which with TLS has its handshake before it; accepted links only.
    open func accepted() {}
    /// The link is open.
    open func opened() {}
    /// `count` bytes have come, and are about to be read.
    open func heard(_ count: Int) {}
    /// The connection is over; its streams are about to be told. Comes once.
    open func closing(_ closure: LinkClosure) {}
    /// The connection is over; all its streams have been told. Comes once.
    open func closed(_ closure: LinkClosure) {}
    /// The object for a request that has begun. Server side only.
    open func makeStream() -> HTTP2Stream { preconditionFailure("a client session gets no requests") }
    /// The peer's settings have changed.
    open func settingsArrived() {}
    /// The peer takes no streams above `lastStreamID`.
    open func goAwayArrived(lastStreamID: Int32, code: HTTP2ErrorCode) {}
    /// The last open stream has been closed.
    open func lastStreamClosed() {}
    /// The peer broke the protocol. `firstBytes` holds what it sent when that was no HTTP/2 at all.
    open func protocolFailed(notHTTP2 firstBytes: RawSpan?) {}
    /// The peer did what we do not take; a GOAWAY says so, then the link is closed.
    open func refused(_ offence: HTTP2Offence) {}
    /// We sent GOAWAY with an error.
    open func errorGoAwaySent(_ code: HTTP2ErrorCode) {}
    /// A request was refused because as many as we allow are open.
    open func streamRefused() {}
    /// We reset a stream because its peer broke a rule.
    open func streamErrorSent(_ code: HTTP2ErrorCode) {}
    /// Bytes to send instead of the session's when the peer broke the protocol; then the link is closed. Asked until empty.
    open func goodbye() -> [UInt8] { [] }

    // MARK: Ending

    /// No new streams: says so to the peer, lets open ones finish, then closes. A server does it in two steps, so that
    /// requests under way still get in (RFC 9113 §6.8); `finishShutDown` is the second one, and the answer to the PING
    /// that goes with the first says that nothing is under way any more.
    public final func shutDown() {
        guard !self.isClosed, !self.isDraining else { return }
        self.isDraining = true
        if self.session.role == .server {
            self.session.submitShutdownNotice()
            self.session.submitPing()
        } else {
            self.session.submitGoAway(.noError)
        }
        self.closeIfOver()
    }

    /// The peer speaks HTTP/2, and has not answered yet that it knows of the shut-down.
    public final var isOwedNotice: Bool {
        self.isDraining && self.hasReceived && !self.hasHeardNotice && !self.sessionIsBroken && !self.isRefused
    }

    /// The second GOAWAY of a server: streams that the peer opened before it count, later ones are refused. A peer that
    /// has said nothing yet is not told anything either.
    public final func finishShutDown() {
        guard !self.isClosed else { return }
        self.isDraining = true
        guard self.hasReceived else { return self.abort() }
        self.session.submitGoAway(.noError)
        self.closeIfOver()
    }

    /// Closes now; open streams are told that their connection is lost.
    public final func abort() {
        self.link?.close()
    }

    /// Subclasses with another idea of when a draining connection is over say so here.
    open func mayCloseWhenDrained() -> Bool { self.session.role == .client }

    private func closeIfOver() {
        guard !self.isClosed, let link = self.link else { return }
        if self.session.isOver || (self.isDraining && self.streamCount == 0 && self.mayCloseWhenDrained()) {
            link.closeAfterDrain()
        }
    }

    // MARK: From the link

    public final func linkAccepted() { self.accepted() }

    public final func linkOpened() { self.opened() }

    public final func linkReceived(_ bytes: RawSpan) {
        guard !self.sessionIsBroken, !self.isRefused else { return }
        self.heard(bytes.byteCount)
        let now = self.loop.moment
        if !self.hasReceived {
            self.hasReceived = true
            self.beganNs = now
            // What the session wanted to say before it might.
            self.link.needsDrain()
        }
        switch self.session.receive(bytes, at: now) {
        case .ok: self.closeIfOver()
        case .refused(let offence):
            self.isRefused = true
            self.refused(offence)
            self.link.closeAfterDrain()
        case .failed:
            self.sessionIsBroken = true
            self.protocolFailed(notHTTP2: nil)
            self.link.closeAfterDrain()
        case .notHTTP2:
            self.sessionIsBroken = true
            self.protocolFailed(notHTTP2: bytes)
            self.link.closeAfterDrain()
        }
    }

    public final func linkDrains(into output: inout OutputRawSpan) -> Bool {
        guard self.hasReceived || self.session.role == .client else { return false }
        if self.sessionIsBroken {
            for byte in self.goodbye() { output.append(byte) }
            return false
        }
        let more = self.session.drain(into: &output)
        if !more { self.closeIfOver() }
        return more
    }

    public final func linkClosed(_ closure: LinkClosure) {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.closing(closure)
        self.session.connectionLost()
        self.closed(closure)
    }

    // MARK: From the session

    public final func sessionNeedsDrain() { self.link?.needsDrain() }

    public final func pingAnswered() { if self.isDraining { self.hasHeardNotice = true } }
}
