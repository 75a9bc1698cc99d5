public import Connection
public import Transport
public import Wire

/// A connection to a replica.
///
/// ```
/// connecting ──opened──► ready ──goaway / retire──► draining ──last stream──► gone
///      └───────────── refused, timed out, lost ──────────────┘
/// ```
/// Streams may be opened while it is still connecting: they wait in its session. Lives on one loop, owned by its pool.
public final class UpstreamConnection: HTTP2Connection {
    /// Kept until the connection closes, since links outlive their stack when a process ends.
    let pool: PooledClient
    public internal(set) var isInPool = true
    /// Why the connection is of no more use; nil while it works, and when it ended in order.
    public private(set) var failure: UpstreamFailure?
    /// The replica said GOAWAY, or we are about to: no new streams.
    public private(set) var isRetired = false
    /// The replica said GOAWAY.
    private(set) var replicaIsLeaving = false
    /// Streams here whose answer has not begun.
    var waitingStreams = 0
    var silence = SilenceWatch()
    /// Whether the loop's clock looks at it.
    var isWatched = false
    /// Whether streams were moved away because it is silent.
    var hasMovedStreams = false
    /// It was silent for so long that we cut it.
    var isGivenUp = false

    private var settingsTimer: LoopTimer?

    init(pool: PooledClient, on loop: Loop, factory: HTTP2SessionFactory) {
        self.pool = pool
        super.init(.client, on: loop, factory: factory)
    }

    public override func opened() {
        let limitMs = self.pool.settings.settingsTimeoutMs
        guard limitMs > 0 else { return }
        let bound = LoopBound(Weak(self), on: self.loop)
        self.settingsTimer = self.loop.schedule(after: UInt64(limitMs) * 1_000_000) {
            bound.value.object?.settingsAreDue()
        }
    }

    /// Our SETTINGS went out with the first bytes, and every peer that reads acknowledges them at once.
    private func settingsAreDue() {
        guard !self.session.settingsAreAcknowledged, !self.isClosed else { return }
        self.failure = .settingsTimeout
        self.isRetired = true
        self.session.submitGoAway(.settingsTimeout)
        self.link.closeAfterDrain()
        // A peer that does not read does not take a goodbye either.
        let bound = LoopBound(Weak(self), on: self.loop)
        self.settingsTimer = self.loop.schedule(after: 1_000_000_000) { bound.value.object?.abort() }
    }

    /// Whether another stream finds room here.
    var hasRoom: Bool {
        !self.isRetired && !self.isClosed && self.streamCount < self.session.peerMaxConcurrentStreams
    }

    public override func heard(_ count: Int) {
        if self.isWatched { self.silence.heard(isPingSized: count == HTTP2Session.pingBytes) }
    }

    /// A stream has been opened here.
    func streamOpened() {
        self.waitingStreams += 1
        guard !self.isWatched else { return }
        self.isWatched = true
        self.pool.clock.watch(self)
    }

    /// No new streams; open ones finish, then the connection closes.
    func retire() {
        self.isRetired = true
        self.shutDown()
    }

    public override func goAwayArrived(lastStreamID: Int32, code: HTTP2ErrorCode) {
        self.replicaIsLeaving = true
        self.isRetired = true
        self.pool.remove(self)
        self.shutDown()
    }

    public override func closing(_ closure: LinkClosure) {
        self.settingsTimer?.cancel()
        guard self.failure == nil else { return }
        switch closure {
        case .connectFailed(let failure): self.failure = .connectFailed(failure)
        case .broken: self.failure = .connectionLost
        // A worker that dies closes its sockets in order as well: only after GOAWAY is that an orderly end.
        case .closedByPeer: self.failure = self.isRetired && self.streamCount == 0 ? nil : .connectionLost
        case .closedByUs where self.isGivenUp: self.failure = .stalled
        case .closedByUs: self.failure = self.sessionFailed ? .connectionLost : nil
        }
    }

    public override func closed(_ closure: LinkClosure) {
        if self.silence.isStalled { self.pool.resumed(self) }
        self.pool.connectionClosed(self, closure)
    }

    private var sessionFailed: Bool { self.session.hasFailed }
}
