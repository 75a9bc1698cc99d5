public import Connection
import Telemetry
public import Transport
public import Wire

/// A caller's connection. Lives on the loop that accepted it. Not shared; other loops send it values.
public final class DownstreamConnection: HTTP2Connection {
    private let proxyLoop: ProxyLoop
    let listener: String
    let access: ListenerAccess
    private var farewell: [UInt8] = []
    private(set) var openedNs: UInt64 = 0
    /// When its last stream ended, or when it was accepted.
    private(set) var idleSinceNs: UInt64 = 0
    /// When it was told to go; it is cut when it is still there at the next look.
    private(set) var endedNs: UInt64 = 0

    init(on proxyLoop: ProxyLoop, listener: String, access: ListenerAccess) {
        self.proxyLoop = proxyLoop
        self.listener = listener
        self.access = access
        super.init(.server, on: proxyLoop.loop, factory: proxyLoop.sessionFactory)
    }

    /// The cluster that everything on this listener goes to; nil when the request decides.
    var listenerCluster: Int? { self.access.cluster }

    /// Why a call is not let in; nil when it is.
    func refusal(of headers: HeaderBlock) -> LocalReply.Cause? { self.access.tokens.refusal(of: headers) }

    /// The caller's address, for logs.
    var peer: String { self.link.peer }

    /// From here it counts, so that handshakes that never end take no more room than connections that say nothing.
    public override func accepted() {
        // Exactly: many are accepted in one moment, and the oldest makes room.
        self.idleSinceNs = Loop.now
        self.proxyLoop.accepted(self)
    }

    public override func opened() { self.openedNs = self.loop.moment }

    public override func lastStreamClosed() { self.idleSinceNs = self.loop.moment }

    /// Says goodbye and closes; a caller that does not take that is cut at the next look.
    func endForGood(_ code: HTTP2ErrorCode = .noError, at now: UInt64) {
        self.endedNs = now
        guard self.session.peerHasBegun else { return self.abort() }
        self.session.submitGoAway(code)
        self.link.closeAfterDrain()
    }

    public override func refused(_ offence: HTTP2Offence) {
        self.endedNs = self.loop.moment
        self.proxyLoop.runtime.metrics.defended(offence)
    }
    public override func errorGoAwaySent(_ code: HTTP2ErrorCode) {
        self.proxyLoop.runtime.metrics.protocolErrors.add()
    }
    public override func streamRefused() { self.proxyLoop.runtime.metrics.defended(.streamRefused) }
    public override func streamErrorSent(_ code: HTTP2ErrorCode) {
        self.proxyLoop.runtime.metrics.defended(.malformedRequest)
    }

    public override func closed(_ closure: LinkClosure) {
        if case .connectFailed(.tls(let failure)) = closure {
            self.proxyLoop.runtime.handshakeFailed(failure, peer: self.peer, listener: self.listener)
            if failure.kind == .timedOut { self.proxyLoop.runtime.metrics.defended(.slowHandshake) }
        }
        self.proxyLoop.closed(self)
    }

    public override func makeStream() -> HTTP2Stream {
        let stream = self.proxyLoop.makeStream()
        stream.begin(on: self)
        return stream
    }

    public override func protocolFailed(notHTTP2 firstBytes: RawSpan?) {
        guard let firstBytes else {
            self.proxyLoop.runtime.metrics.protocolErrors.add()
            return
        }
        self.proxyLoop.runtime.metrics.notHTTP2.add()
        self.farewell = HTTP1Refusal.looksLikeHTTP1(firstBytes) ? HTTP1Refusal.answer : HTTP1Refusal.goAway
    }

    public override func goodbye() -> [UInt8] {
        defer { self.farewell = [] }
        return self.farewell
    }
}
