internal import CNghttp2

/// One HTTP/2 stream on one leg: what has arrived, what is still to be sent. Subclasses say what an event means.
///
/// ```
/// detached ──request arrives / submitRequest──► attached ──closed──► detached
/// ```
/// While attached, its session keeps it alive and calls the event functions below, each on the session's loop and never
/// from inside an nghttp2 callback, so they may call everything here. After `closed` it may be used for another stream.
/// Not shared; lives on one loop.
@safe open class HTTP2Stream {
    /// The stream identifier of RFC 9113 §5.1.1; zero while detached.
    public internal(set) final var id: Int32 = 0
    /// Not counted: the session is there while the stream is attached. So it is with the streams below.
    final var session: Unmanaged<HTTP2Session>?
    /// Neighbours in the session's list of attached streams.
    final var next: Unmanaged<HTTP2Stream>?
    final var previous: Unmanaged<HTTP2Stream>?

    /// The request's or the response's header list, once it has arrived.
    public final let headers = HeaderBlock()
    public final let trailers = HeaderBlock()
    final var headersAreComplete = false
    /// The header list went over the limit: what came after that, but for the content type, was not kept.
    public internal(set) final var headersAreTooLarge = false
    /// END_STREAM has arrived.
    final var peerHasEnded = false

    final var body = BodyBuffer()
    private let account: BufferAccount
    private var accountedBytes = 0
    final var bodyHasEnded = false
    final var sendsTrailers = false
    final var isDeferred = false
    /// What the peer's window for it was when the last SETTINGS frame began.
    final var windowBeforeSettings = 0
    /// Body bytes framed since the owner was last told.
    final var framedBytes = 0
    /// Where trailers come from when the body has ended: the other leg's block, or a list of our own.
    final var trailerSource = TrailerSource.none

    @safe enum TrailerSource {
        case none
        /// Not counted: who gave it keeps it until the stream is closed.
        case block(Unmanaged<HeaderBlock>)
        case own([(name: String, value: String)])
    }

    /// - Parameter account: of the loop that this stream lives on.
    public init(account: BufferAccount) { self.account = account }

    deinit { self.account.add(-self.accountedBytes) }

    // MARK: Events

    /// The header list has arrived. `ended` means that no body and no trailers follow.
    open func headersArrived(ended: Bool) {}
    /// Body bytes have arrived; they are valid during the call only. Give their window back with `consume`.
    open func bodyArrived(_ bytes: RawSpan) {}
    /// Trailers have arrived, and with them the end of the peer's side.
    open func trailersArrived() {}
    /// The peer's side has ended without trailers.
    open func bodyEnded() {}
    /// `count` bytes given to `send` have been put in frames.
    open func bodyFramed(_ count: Int) {}
    /// Our side has been sent to its end while the peer's is still open. Server side only.
    open func endSent() {}
    /// The stream is over and detached: completely, by a reset from either side, or with its connection.
    open func closed(_ closure: StreamClosure) {}

    // MARK: Sending

    /// Answers the request that this stream is: `fill` writes the header list. With `ended` it is the whole answer.
    /// Nothing happens on a detached stream. Server side only.
    public final func respond(ended: Bool, _ fill: (HeaderList) -> Void) {
        guard self.isAttached else { return }
        unsafe self.session?._withUnsafeGuaranteedRef { session in
            let list = session.newHeaderList()
            fill(list)
            session.submitResponse(self, list, ended: ended)
        }
    }

    public final var isAttached: Bool { self.id != 0 }
    /// Body bytes that are held for sending, including those kept for a retry.
    public final var heldBytes: Int { self.body.heldCount }
    /// Body bytes that have not been put in frames yet.
    public final var unframedBytes: Int { self.body.unframedCount }

    /// Adds body bytes; they are sent as the peer's windows allow.
    public final func send(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe self.body.append($0) }
        self.settle()
        self.resume()
    }

    /// Adds body bytes that the caller made itself.
    public final func send(_ bytes: [UInt8]) {
        bytes.withRawSpan { self.send($0) }
    }

    /// The body ends with the bytes already given to `send`, and with it our side of the stream.
    public final func endBody() {
        self.bodyHasEnded = true
        self.resume()
    }

    /// The body ends with the bytes already given, then the other leg's trailers follow. The caller keeps the block,
    /// as it is, until this stream is closed.
    public final func endBody(trailers: HeaderBlock) {
        unsafe self.trailerSource = .block(Unmanaged.passUnretained(trailers))
        self.sendsTrailers = true
        self.endBody()
    }

    /// The body ends with the bytes already given, then trailers of our own follow.
    public final func endBody(trailers: [(name: String, value: String)]) {
        self.trailerSource = .own(trailers)
        self.sendsTrailers = true
        self.endBody()
    }

    /// Ends the stream at once with RST_STREAM. `closed` follows when the frame has been sent.
    public final func reset(_ code: HTTP2ErrorCode) {
        guard self.isAttached else { return }
        unsafe self.session?._withUnsafeGuaranteedRef { $0.submitReset(self, code) }
    }

    /// Gives the peer back `count` bytes of this stream's window. The connection's window is given back on arrival.
    public final func consume(_ count: Int) {
        // A peer that has ended needs no window, and most have when their last bytes are taken.
        guard count > 0, self.isAttached, !self.peerHasEnded else { return }
        unsafe self.session?._withUnsafeGuaranteedRef { $0.consume(self, count) }
    }

    /// Framed bytes are kept from now on, so that the same body can be sent again. Before the first byte is framed.
    public final func keepBodyForRetry() { self.body.keepFramedBytes() }
    /// Framed bytes need not be kept any more.
    public final func dropBodyKeptForRetry() {
        self.body.dropFramedBytes()
        self.settle()
    }
    /// Whether the whole body is still here, so that it can be sent again.
    public final var canSendBodyAgain: Bool { self.body.keepsFramedBytes }
    /// The body starts again from its first byte. Only while detached and with framed bytes kept. Returns how many bytes
    /// had been put in frames: `bodyFramed` will tell of them a second time.
    @discardableResult
    public final func rewindBody() -> Int {
        precondition(!self.isAttached, "a body is sent again on another stream")
        self.isDeferred = false
        self.framedBytes = 0
        return self.body.rewind()
    }

    /// Forgets the body; what arrived stays. Only while detached.
    public final func dropBody() {
        precondition(!self.isAttached, "an attached stream is still in use")
        self.body.removeAll()
        self.settle()
    }

    /// Forgets everything that arrived; what is to be sent stays. For another attempt of the same call.
    public final func forgetReceived() {
        self.headers.removeAll()
        self.trailers.removeAll()
        self.headersAreComplete = false
        self.headersAreTooLarge = false
        self.peerHasEnded = false
    }

    /// Back to what `init` made, with buffers kept for the next stream. Only while detached.
    public final func reuse() {
        precondition(!self.isAttached, "an attached stream is still in use")
        self.forgetReceived()
        self.body.removeAll()
        self.settle()
        self.bodyHasEnded = false
        self.sendsTrailers = false
        self.isDeferred = false
        self.framedBytes = 0
        self.trailerSource = .none
    }

    /// Calls `body` with the bytes that have not been put in frames yet.
    public final func withUnframedBody<Result>(_ body: (RawSpan) -> Result) -> Result {
        self.body.withUnframed(body)
    }

    /// Keeps the loop's account true after the body changed.
    final func settle() {
        let held = self.body.heldCount
        if held != self.accountedBytes {
            self.account.add(held - self.accountedBytes)
            self.accountedBytes = held
        }
    }

    private func resume() {
        guard self.isAttached else { return }
        unsafe self.session?._withUnsafeGuaranteedRef { $0.bodyGrew(self) }
    }
}

/// How a stream ended.
public enum StreamClosure: Sendable, Equatable {
    /// Both sides ended, or one side sent RST_STREAM(NO_ERROR) after its end (RFC 9113 §8.1).
    case completed
    /// RST_STREAM, or a GOAWAY that left the stream out (then the code is REFUSED_STREAM).
    case reset(HTTP2ErrorCode)
    /// The connection is gone.
    case connectionLost
}
