internal import CNghttp2

/// One nghttp2 session: one leg's HTTP/2 connection without its socket. Bytes in, events out, bytes out; no I/O.
///
/// `receive` feeds bytes, and afterwards tells the streams and the delegate what happened; `drain` fills a region with
/// what is to be sent. Both record events in nghttp2's callbacks and act on them when the C call is over.
/// Owned by its connection, lives on one loop.
/// Safe to use: the pointer never leaves this class and is freed once, in deinit.
@safe public final class HTTP2Session {
    public enum Role: Sendable { case server, client }

    let raw: OpaquePointer
    public let role: Role
    let factory: HTTP2SessionFactory
    /// The factory's, kept here since every header is measured against it, and every submission fills it.
    let maxHeaderListBytes: Int
    let headerList: HeaderList
    unowned(unsafe) var delegate: (any HTTP2SessionDelegate)?

    // The state below is for this file and HTTP2Session+….swift only. First what callbacks record.
    var events: HTTP2EventQueue
    /// The stream whose header list is arriving, and where it goes. Attached, so that the session holds it.
    var streamOfHeaders: Unmanaged<HTTP2Stream>?
    var blockOfHeaders: Unmanaged<HeaderBlock>?
    var headersAreTrailers = false
    var receivedBytes = 0
    var output = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    var outputCount = 0

    /// What a caller sends is looked at here first; nil on a client session.
    var gate: FrameGate?
    /// Streams that nghttp2 takes above the limit that callers are told, so that they can be refused one by one.
    static let spareStreams = 1_000
    var settingsAreSent = false
    /// The peer has taken note of our SETTINGS (RFC 9113 §6.5.3).
    public internal(set) var settingsAreAcknowledged = false
    /// The peer's INITIAL_WINDOW_SIZE before the SETTINGS frame that is being read.
    var initialWindowBefore = 0
    /// A DATA frame found no room: there is more, although nghttp2 has nothing to hand out.
    var outputIsFull = false

    /// Bytes that nghttp2 handed out and that did not fit the last region.
    var leftover = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    var firstStream: Unmanaged<HTTP2Stream>?
    public internal(set) var streamCount = 0
    var streamCache = StreamCache()
    var drainIsAsked = false
    var isDelivering = false
    public internal(set) var hasFailed = false

    /// Free space that `drain` needs to make progress: one frame of the largest size that we send.
    public static let smallestRegion = 16_384 + 9 + 9

    /// - Parameter delegate: not kept alive; it may come later, but before bytes do.
    public init(_ role: Role, factory: HTTP2SessionFactory, delegate: (any HTTP2SessionDelegate)? = nil) {
        self.role = role
        self.factory = factory
        self.maxHeaderListBytes = factory.settings.maxHeaderListBytes
        self.headerList = factory.headerList
        self.events = HTTP2EventQueue(spare: factory.spareEvents)
        if role == .server {
            self.gate = FrameGate(
                limits: factory.settings.limits, maxHeaderListBytes: factory.settings.maxHeaderListBytes)
        }
        unsafe self.delegate = delegate
        let raw = unsafe factory.makeRaw(role)
        unsafe self.raw = raw
        unsafe nghttp2_session_set_user_data(raw, Unmanaged.passUnretained(self).toOpaque())
        self.submitSettings(factory.settings)
    }

    deinit {
        unsafe nghttp2_session_del(self.raw)
    }

    /// Who is told what happens, and asked for streams. It owns the session.
    public func own(_ delegate: any HTTP2SessionDelegate) { unsafe self.delegate = delegate }

    // MARK: In

    public enum ReceiveResult: Sendable, Equatable {
        case ok
        /// The peer broke the protocol so that the connection must end; a GOAWAY may be waiting in `drain`.
        case failed
        /// The first bytes are not the client's connection preface (RFC 9113 §3.4).
        case notHTTP2
        /// The caller did what we do not take; `drain` has a GOAWAY that says so, and nothing more is read.
        case refused(HTTP2Offence)
    }

    /// Feeds bytes from the peer and tells streams and delegate what they meant.
    /// - Parameter nowNs: when they came, for the limits of a caller.
    public func receive(_ bytes: RawSpan, at nowNs: UInt64 = 0) -> ReceiveResult {
        guard !self.hasFailed else { return .failed }
        self.receivedBytes = 0
        var result = ReceiveResult.ok
        unsafe bytes.withUnsafeBytes { all in
            let refusal = unsafe self.gate?.check(all, at: nowNs)
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: all[..<(refusal?.bytesBefore ?? all.count)])
            defer { if let refusal { result = self.refuse(refusal, insteadOf: result) } }
            guard let base = bytes.baseAddress, bytes.count > 0 else { return }
            let used = unsafe nghttp2_session_mem_recv(
                self.raw, base.assumingMemoryBound(to: UInt8.self), bytes.count)
            if used < 0 {
                self.hasFailed = true
                result = used == Int(NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue) ? .notHTTP2 : .failed
            }
            if self.receivedBytes > 0 {
                // The connection's window is given back at once: a stream whose reader is slow holds its own window only.
                _ = unsafe nghttp2_session_consume_connection(self.raw, self.receivedBytes)
            }
            self.deliver()
        }
        self.askForDrain()
        return result
    }

    private func refuse(_ refusal: FrameGate.Refusal, insteadOf result: ReceiveResult) -> ReceiveResult {
        // What came before may have ended the connection already.
        guard case .ok = result, unsafe nghttp2_session_want_read(self.raw) != 0 else { return result }
        _ = unsafe nghttp2_session_terminate_session(self.raw, refusal.offence.code.rawValue)
        return .refused(refusal.offence)
    }

    /// Since when a preface, a frame or a header block of the caller has been arriving; zero while none is.
    public var incompleteSinceNs: UInt64 { self.gate?.incompleteSinceNs ?? 0 }
    /// Whether a whole frame of the caller has begun. True on a client session.
    public var peerHasBegun: Bool { self.gate?.hasBegun ?? true }

    // MARK: Streams

    /// Calls `body` with every open stream. `body` may end streams: they are told when what that sends has been sent.
    public func forEachStream(_ body: (HTTP2Stream) -> Void) {
        var next = unsafe self.firstStream
        while let stream = unsafe next?.takeUnretainedValue() {
            unsafe next = stream.next
            body(stream)
        }
    }

    /// The connection is gone: every stream is told so and detached. Nothing may be submitted afterwards.
    public func connectionLost() {
        precondition(!self.isDelivering, "a stream's event does not end its connection before it returns")
        self.hasFailed = true
        self.deliver()
        self.streamCache.removeAll()
        while let stream = unsafe self.firstStream { unsafe self.end(stream, .connectionLost) }
        unsafe self.delegate = nil
    }

    /// - Parameter own: the session's reference, which `end` gives back.
    func attach(_ own: Unmanaged<HTTP2Stream>, id: Int32) {
        unsafe own._withUnsafeGuaranteedRef { stream in
            stream.id = id
            unsafe stream.session = Unmanaged.passUnretained(self)
            unsafe stream.previous = nil
            unsafe stream.next = self.firstStream
        }
        unsafe self.firstStream?._withUnsafeGuaranteedRef { unsafe $0.previous = own }
        unsafe self.firstStream = own
        self.streamCount += 1
        unsafe self.streamCache.insert(own, id, among: self.streamCount)
    }

    private func detach(_ stream: HTTP2Stream) {
        if let previous = unsafe stream.previous {
            unsafe previous._withUnsafeGuaranteedRef { unsafe $0.next = stream.next }
        } else {
            unsafe self.firstStream = stream.next
        }
        unsafe stream.next?._withUnsafeGuaranteedRef { unsafe $0.previous = stream.previous }
        unsafe stream.next = nil
        unsafe stream.previous = nil
        unsafe stream.session = nil
        // A header list may go on in CONTINUATION frames after its stream was reset.
        if let receiving = unsafe self.streamOfHeaders?.toOpaque(),
            unsafe receiving == Unmanaged.passUnretained(stream).toOpaque()
        {
            self.expectHeaders(of: nil)
        }
        stream.id = 0
        self.streamCount -= 1
    }

    /// Detaches a stream, tells it and the delegate, and gives back what `attach` took.
    private func end(_ stream: Unmanaged<HTTP2Stream>, _ closure: StreamClosure) {
        unsafe stream._withUnsafeGuaranteedRef { stream in
            self.detach(stream)
            stream.closed(closure)
        }
        unsafe stream.release()
        if self.streamCount == 0 { unsafe self.delegate?.lastStreamClosed() }
    }

    // MARK: Acting on what the callbacks recorded

    func deliver() {
        guard !self.isDelivering else { return }
        self.isDelivering = true
        var index = 0
        while index < self.events.count {
            let event = self.events[index]
            index += 1
            self.deliver(event)
        }
        self.events.removeAll()
        self.isDelivering = false
    }

    @inline(__always)
    private func deliver(_ event: HTTP2Event) {
        switch event.kind {
        case .settings: unsafe self.delegate?.settingsArrived()
        case .pingAnswered: unsafe self.delegate?.pingAnswered()
        case .goAway:
            unsafe self.delegate?.goAwayArrived(
                lastStreamID: event.lastStreamID, code: HTTP2ErrorCode(rawValue: event.code))
        case .goAwaySent: unsafe self.delegate?.errorGoAwaySent(HTTP2ErrorCode(rawValue: event.code))
        case .streamRefused: unsafe self.delegate?.streamRefused()
        case .streamErrorSent:
            unsafe self.delegate?.streamErrorSent(HTTP2ErrorCode(rawValue: event.code))
        case .headers, .body, .trailers, .bodyEnded, .framed, .endSent:
            guard let stream = unsafe event.stream else { return }
            unsafe stream._withUnsafeGuaranteedRef { self.deliver(event, to: $0) }
        case .closed:
            guard let stream = unsafe event.stream else { return }
            let code = HTTP2ErrorCode(rawValue: event.code)
            unsafe self.end(stream, code == .noError ? .completed : .reset(code))
        }
    }

    @inline(__always)
    private func deliver(_ event: HTTP2Event, to stream: HTTP2Stream) {
        guard stream.isAttached else { return }
        switch event.kind {
        case .headers: stream.headersArrived(ended: event.ended)
        case .body: unsafe stream.bodyArrived(RawSpan(_unsafeBytes: event.bytes))
        case .trailers: stream.trailersArrived()
        case .bodyEnded: stream.bodyEnded()
        case .framed:
            let count = stream.framedBytes
            stream.framedBytes = 0
            stream.bodyFramed(count)
        case .endSent: stream.endSent()
        case .settings, .pingAnswered, .goAway, .goAwaySent, .streamRefused, .streamErrorSent, .closed: ()
        }
    }
}
