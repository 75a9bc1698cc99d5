internal import CLinux
internal import Glibc

/// One byte stream to a peer, TCP or Unix: the socket under an HTTP/2 connection.
///
/// ```
/// connecting ──a peer──► connected ──(TLS)──► open ──close / peer / error──► closed
///                                              └─closeAfterDrain─► lingering ──┘
/// ```
/// A listener's link that has said everything is closed for its handler at once, and lingers: what the peer still sends
/// is read and dropped, since the kernel answers unread bytes with a reset, which can take our last words from the peer.
/// Lives on its loop. Owned by its handler's connection; it keeps its handler alive while it is not closed.
public final class Link: Watched {
    var handler: (any LinkHandler)?
    let isAccepted: Bool
    /// Bytes may go both ways: there is a peer and, with TLS, its handshake is over.
    var isReady = false
    /// The loop asks for output at the end of this turn.
    var isCorked = false
    var closesAfterDrain = false
    /// Everything has been said, and the kernel has not taken all of it yet.
    var closesWhenSent = false
    /// `close` was called; the loop comes back to it.
    private var isEnding = false
    /// Why it is over, or about to be.
    var closure: LinkClosure?
    /// What the kernel did not take. While there is something, the handler is not asked for more.
    var unsent: [UInt8] = []
    var unsentStart = 0
    /// Why the peer takes nothing more; zero while it does. What it said before is still read, its reasons among it.
    var writeProblem: CInt = 0
    /// Nil in cleartext.
    var tls: TLSSession?
    private var handshakeTimer: LoopTimer?
    /// A connect that is under way.
    private var connecting: ConnectRace?
    /// What is left of the patience with a peer that still sends.
    var linger: (timer: LoopTimer, bytesLeft: Int)?
    private var peerName = PeerName.unknown

    public convenience init(on loop: Loop, handler: any LinkHandler) {
        self.init(on: loop, handler: handler, isAccepted: false)
    }

    /// - Parameter isAccepted: a listener's.
    init(on loop: Loop, handler: any LinkHandler, isAccepted: Bool) {
        self.handler = handler
        self.isAccepted = isAccepted
        super.init(on: loop)
    }

    public var isOpen: Bool { self.isReady && self.isWatched && self.closure == nil }

    /// The peer's address as text, for logs.
    public var peer: String { self.peerName.text }

    /// The handler has something to send: it is asked for it at the end of this turn.
    public func needsDrain() {
        guard !self.isCorked, self.isReady, self.isWatched else { return }
        self.isCorked = true
        self.loop.turns.output.add(self)
    }

    /// Closes when what the handler has to send now has been written.
    public func closeAfterDrain() {
        self.closesAfterDrain = true
        self.needsDrain()
    }

    /// Closes without sending anything more. `linkClosed` follows later, never before this returns: the handler may be in
    /// the middle of something. Nothing is received meanwhile.
    public func close() {
        if self.closure == nil { self.closure = .closedByUs }
        guard !self.isEnding, self.isWatched || self.connecting != nil else { return }
        self.isEnding = true
        self.loop.turns.endSoon(self)
    }

    // MARK: Beginning

    /// A connect is under way; `close` ends it.
    func begins(_ race: ConnectRace) { self.connecting = race }

    /// There is a peer. With TLS it is not known yet whether the link opens.
    /// - Parameter tls: the session that goes before everything else, and how long its handshake may take.
    func connected(_ descriptor: CInt, to peer: PeerName, tls: (session: TLSSession, limitNs: UInt64)?) {
        self.connecting = nil
        guard self.watch(descriptor, for: HOMING_READABLE) else {
            // A listener's handler has not heard of it yet.
            if self.isAccepted { self.handler = nil }
            return self.finish(self.closure ?? .connectFailed(.unreachable("the kernel cannot watch more sockets")))
        }
        self.peerName = peer
        if self.isAccepted { self.handler?.linkAccepted() }
        guard self.closure == nil else { return }
        guard let tls else { return self.opened() }
        self.tls = tls.session
        let bound = LoopBound(self, on: self.loop)
        self.handshakeTimer = self.loop.schedule(after: tls.limitNs) {
            bound.value.refused(TLSFailure(.timedOut, "the handshake was not over in time"))
        }
        // A server has nothing to say before it has heard something.
        if !self.isAccepted { self.shakeHands() }
    }

    func opened() {
        self.handshakeTimer?.cancel()
        self.handshakeTimer = nil
        self.isReady = true
        self.handler?.linkOpened()
        self.needsDrain()
    }

    func connectFailed(_ failure: ConnectFailure) {
        self.connecting = nil
        self.finish(self.closure ?? .connectFailed(failure))
    }

    /// One read for each time that the kernel tells: what is left is told again in the next turn, after other links.
    ///
    /// A reset takes back what was sent before it and not read yet, as it would have on its way. A worker that is stopped
    /// says UNAVAILABLE on every call and cuts its connections; that is the loss of a replica, which callers need not see.
    /// In a handshake it is the other way round: an alert that is still there says why the peer hung up.
    override func ready(_ events: UInt32) {
        let isShakingHands = self.tls != nil && !self.isReady
        if events & HOMING_BROKEN != 0, !isShakingHands,
            let problem = SocketOption.error.get(self.descriptor), problem != 0
        {
            return self.failed("recv", problem)
        }
        if events & HOMING_WRITABLE != 0 {
            self.writeUnsent()
            guard self.isWatched else { return }
        }
        guard events & ~HOMING_WRITABLE != 0 else { return }
        // Closed by its handler in this turn: what has come is nobody's.
        guard self.closure == nil || self.handler == nil || self.closesWhenSent else { return }
        self.read()
    }

    // MARK: Ending

    /// What `close` asked for.
    func end() {
        self.connecting?.cancel()
        self.connecting = nil
        guard self.handler != nil || self.isWatched else { return }
        self.tls?.sayGoodbye()
        self.writeRecords()
        self.finish(self.closure ?? .closedByUs)
    }

    /// The loop ends.
    override func cut() { self.finish(self.closure ?? .closedByUs) }

    /// The socket is gone, and with it everything that belonged to it.
    func finish(_ closure: LinkClosure) {
        self.unwatch()
        self.handshakeTimer?.cancel()
        self.handshakeTimer = nil
        self.unsent = []
        self.tls = nil
        if let linger = self.linger {
            linger.timer.cancel()
            self.linger = nil
            self.loop.turns.output.lingeringEnded()
        }
        self.tellHandler(closure)
    }

    /// The handler hears of the end, once.
    func tellHandler(_ closure: LinkClosure) {
        self.closure = closure
        guard let handler = self.handler else { return }
        self.handler = nil
        handler.linkClosed(closure)
    }

    /// The kernel's word for what went wrong.
    func failed(_ call: String, _ problem: CInt) {
        if self.tls != nil, !self.isReady { return self.refused(TLSFailure(.closed, "the peer reset the connection")) }
        self.finish(self.closure ?? .broken("\(call): \(SystemError.text(problem))"))
    }
}
