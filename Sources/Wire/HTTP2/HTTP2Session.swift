internal import CNghttp2

/// One nghttp2 session: one leg's HTTP/2 connection without its socket. Bytes in, events out, bytes out; no I/O.
///
/// `receive` feeds bytes, and afterwards tells the streams and the delegate what happened; `drain` fills a region with
/// what is to be sent. Both record events in nghttp2's callbacks and act on them when the C call is over.
/// Owned by its connection, lives on one loop.
/// Safe to use: the pointer never leaves this class and is freed once, in deinit.
@safe package final class HTTP2Session {
    package enum Role: Sendable { case server, client }

    let raw: OpaquePointer
    package let role: Role
    private let factory: HTTP2SessionFactory
    unowned(unsafe) private var delegate: (any HTTP2SessionDelegate)?

    // Recorded by callbacks.
    private var events = ContiguousArray<HTTP2Event>()
    unowned(unsafe) private var streamOfHeaders: HTTP2Stream?
    private var headersAreTrailers = false
    private var receivedBytes = 0
    private var output = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var outputCount = 0

    /// What a caller sends is looked at here first; nil on a client session.
    private var gate: FrameGate?
    /// Streams that nghttp2 takes above the limit that callers are told, so that they can be refused one by one.
    private static let spareStreams = 1_000
    private var settingsAreSent = false
    /// A DATA frame found no room: there is more, although nghttp2 has nothing to hand out.
    private var outputIsFull = false

    /// Bytes that nghttp2 handed out and that did not fit the last region.
    private var leftover = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    unowned(unsafe) private var firstStream: HTTP2Stream?
    package private(set) var streamCount = 0
    private var drainIsAsked = false
    private var isDelivering = false
    package private(set) var hasFailed = false

    /// Free space that `drain` needs to make progress: one frame of the largest size that we send.
    package static let smallestRegion = 16_384 + 9 + 9

    package init(_ role: Role, factory: HTTP2SessionFactory, delegate: any HTTP2SessionDelegate) {
        self.role = role
        self.factory = factory
        if role == .server {
            self.gate = FrameGate(
                limits: factory.settings.limits, maxHeaderListBytes: factory.settings.maxHeaderListBytes)
        }
        unsafe self.delegate = delegate
        var raw: OpaquePointer?
        // The user data is set below, when `self` may be used.
        let status =
            switch role {
            case .server: unsafe nghttp2_session_server_new2(&raw, factory.callbacks, nil, factory.options)
            case .client: unsafe nghttp2_session_client_new2(&raw, factory.callbacks, nil, factory.options)
            }
        guard status == 0, let raw = unsafe raw else { fatalError("out of memory for an nghttp2 session") }
        unsafe self.raw = raw
        unsafe nghttp2_session_set_user_data(raw, Unmanaged.passUnretained(self).toOpaque())
        self.submitSettings(factory.settings)
    }

    deinit {
        unsafe nghttp2_session_del(self.raw)
    }

    // MARK: In

    package enum ReceiveResult: Sendable, Equatable {
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
    package func receive(_ bytes: RawSpan, at nowNs: UInt64 = 0) -> ReceiveResult {
        guard !self.hasFailed else { return .failed }
        self.receivedBytes = 0
        var result = ReceiveResult.ok
        unsafe bytes.withUnsafeBytes { all in
            let refusal = unsafe self.gate?.check(all, at: nowNs)
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: all[..<(refusal?.offset ?? all.count)])
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
    package var incompleteSinceNs: UInt64 { self.gate?.incompleteSinceNs ?? 0 }
    /// Whether a whole frame of the caller has begun. True on a client session.
    package var peerHasBegun: Bool { self.gate?.hasBegun ?? true }

    // MARK: Out

    /// Fills `output` with frames. Returns whether there may be more than fitted.
    package func drain(into output: inout OutputRawSpan) -> Bool {
        self.drainIsAsked = false
        let more = unsafe output.withUnsafeMutableBytes { region, initialized in
            unsafe self.output = region
            self.outputCount = initialized
            self.outputIsFull = false
            defer {
                initialized = self.outputCount
                unsafe self.output = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            }
            return self.fill()
        }
        self.deliver()
        return more
    }

    /// Whether nghttp2 has nothing left to do: the connection can be closed.
    package var isOver: Bool {
        unsafe self.leftover.isEmpty && nghttp2_session_want_read(self.raw) == 0
            && nghttp2_session_want_write(self.raw) == 0
    }

    private func fill() -> Bool {
        guard self.flushLeftover() else { return true }
        while unsafe self.output.count - self.outputCount >= Self.smallestRegion {
            var pointer: UnsafePointer<UInt8>?
            let count = unsafe nghttp2_session_mem_send(self.raw, &pointer)
            if count < 0 { self.hasFailed = true }
            guard count > 0, let pointer = unsafe pointer else { return self.outputIsFull }
            unsafe self.leftover = UnsafeRawBufferPointer(start: pointer, count: count)
            let start = self.outputCount
            guard self.flushLeftover() else { return true }
            if !self.settingsAreSent { self.tellStreamLimit(at: start, count) }
        }
        return true
    }

    /// Puts the limit that callers are told in place of nghttp2's own, which is higher, in our first SETTINGS frame: at
    /// its own limit nghttp2 ends the connection instead of refusing a stream (RFC 9113 §5.1.2).
    private func tellStreamLimit(at start: Int, _ count: Int) {
        self.settingsAreSent = true
        guard self.role == .server else { return }
        let frame = unsafe UnsafeMutableRawBufferPointer(rebasing: self.output[start..<start + count])
        guard unsafe count >= 9 && frame[3] == UInt8(NGHTTP2_SETTINGS.rawValue) else { return }
        for entry in stride(from: 9, to: count - 5, by: 6)
        where unsafe frame[entry + 1] == UInt8(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue) {
            unsafe frame.storeBytes(
                of: UInt32(self.factory.settings.maxConcurrentStreams).bigEndian, toByteOffset: entry + 2,
                as: UInt32.self)
        }
    }

    private func flushLeftover() -> Bool {
        let count = unsafe min(self.leftover.count, self.output.count - self.outputCount)
        unsafe self.write(UnsafeRawBufferPointer(rebasing: self.leftover[..<count]))
        unsafe self.leftover = UnsafeRawBufferPointer(rebasing: self.leftover[count...])
        return unsafe self.leftover.isEmpty
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        unsafe (self.output.baseAddress! + self.outputCount).copyMemory(from: base, byteCount: bytes.count)
        self.outputCount += bytes.count
    }

    // MARK: Submitting

    /// The header list to fill before `submitRequest` or `submitResponse`; empty when it is handed out.
    package func newHeaderList() -> HeaderList {
        let list = self.factory.headerList
        list.removeAll()
        return list
    }

    /// Starts a request on this client session. The stream's body may follow, unless `ended`.
    /// False when no stream identifier is left or the session has failed; the stream then stays detached.
    package func submitRequest(_ stream: HTTP2Stream, _ list: HeaderList, ended: Bool) -> Bool {
        precondition(!stream.isAttached, "a stream is attached once")
        guard !self.hasFailed else { return false }
        var provider = unsafe Self.provider(for: stream)
        let id = unsafe list.withVectors { vectors, count in
            ended
                ? unsafe nghttp2_submit_request(
                    self.raw, nil, vectors, count, nil, Unmanaged.passUnretained(stream).toOpaque())
                : unsafe nghttp2_submit_request(
                    self.raw, nil, vectors, count, &provider, Unmanaged.passUnretained(stream).toOpaque())
        }
        guard id > 0 else { return false }
        self.attach(stream, id: id)
        self.askForDrain()
        return true
    }

    /// Answers a request that arrived on this server session. With `ended` the headers are the whole answer.
    package func submitResponse(_ stream: HTTP2Stream, _ list: HeaderList, ended: Bool) {
        guard stream.isAttached else { return }
        var provider = unsafe Self.provider(for: stream)
        _ = unsafe list.withVectors { vectors, count in
            ended
                ? unsafe nghttp2_submit_response(self.raw, stream.id, vectors, count, nil)
                : unsafe nghttp2_submit_response(self.raw, stream.id, vectors, count, &provider)
        }
        self.askForDrain()
    }

    /// Announces that no new streams are taken (RFC 9113 §6.8): first without a limit, so that requests under way arrive.
    package func submitShutdownNotice() {
        guard self.role == .server else { return }
        _ = unsafe nghttp2_submit_shutdown_notice(self.raw)
        self.askForDrain()
    }

    /// Says which streams were taken; later ones are refused.
    package func submitGoAway(_ code: HTTP2ErrorCode) {
        let last = unsafe nghttp2_session_get_last_proc_stream_id(self.raw)
        _ = unsafe nghttp2_submit_goaway(self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, code.rawValue, nil, 0)
        self.askForDrain()
    }

    /// How many streams the peer lets us have open at once.
    package var peerMaxConcurrentStreams: Int {
        Int(unsafe nghttp2_session_get_remote_settings(self.raw, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    func submitReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        _ = unsafe nghttp2_submit_rst_stream(self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue)
        self.askForDrain()
    }

    func consume(_ stream: HTTP2Stream, _ count: Int) {
        _ = unsafe nghttp2_session_consume_stream(self.raw, stream.id, count)
        self.askForDrain()
    }

    func bodyGrew(_ stream: HTTP2Stream) {
        if stream.isDeferred {
            stream.isDeferred = false
            _ = unsafe nghttp2_session_resume_data(self.raw, stream.id)
        }
        self.askForDrain()
    }

    private func submitSettings(_ settings: HTTP2Settings) {
        var entries = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: UInt32(settings.streamWindowBytes)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
                value: UInt32(settings.maxHeaderListBytes)),
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES.rawValue), value: 1),
        ]
        switch self.role {
        case .server:
            entries.append(
                nghttp2_settings_entry(
                    settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
                    value: UInt32(settings.maxConcurrentStreams + Self.spareStreams)))
        case .client:
            entries.append(
                nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
        }
        _ = unsafe nghttp2_submit_settings(self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
        _ = unsafe nghttp2_session_set_local_window_size(
            self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(settings.connectionWindowBytes))
    }

    private func askForDrain() {
        guard !self.drainIsAsked else { return }
        self.drainIsAsked = true
        unsafe self.delegate?.sessionNeedsDrain()
    }

    // MARK: Streams

    /// Calls `body` with every open stream. `body` may end streams: they are told when what that sends has been sent.
    package func forEachStream(_ body: (HTTP2Stream) -> Void) {
        var next = unsafe self.firstStream
        while let stream = next {
            unsafe next = stream.next
            body(stream)
        }
    }

    /// The connection is gone: every stream is told so and detached. Nothing may be submitted afterwards.
    package func connectionLost() {
        precondition(!self.isDelivering, "a stream's event does not end its connection before it returns")
        self.hasFailed = true
        self.deliver()
        while let stream = unsafe self.firstStream {
            self.detach(stream)
            stream.closed(.connectionLost)
            unsafe self.delegate?.streamClosed()
        }
        unsafe self.delegate = nil
    }

    private func attach(_ stream: HTTP2Stream, id: Int32) {
        stream.id = id
        unsafe stream.session = self
        unsafe stream.previous = nil
        unsafe stream.next = self.firstStream
        unsafe self.firstStream?.previous = stream
        unsafe self.firstStream = stream
        self.streamCount += 1
        _ = unsafe Unmanaged.passRetained(stream)
    }

    private func detach(_ stream: HTTP2Stream) {
        if let previous = unsafe stream.previous {
            unsafe previous.next = stream.next
        } else {
            unsafe self.firstStream = stream.next
        }
        unsafe stream.next?.previous = stream.previous
        unsafe stream.next = nil
        unsafe stream.previous = nil
        unsafe stream.session = nil
        // A header list may go on in CONTINUATION frames after its stream was reset.
        if let receiving = unsafe self.streamOfHeaders, receiving === stream { unsafe self.streamOfHeaders = nil }
        stream.id = 0
        self.streamCount -= 1
        unsafe Unmanaged.passUnretained(stream).release()
    }

    // MARK: Acting on what the callbacks recorded

    private func deliver() {
        guard !self.isDelivering else { return }
        self.isDelivering = true
        var index = 0
        while index < self.events.count {
            let event = self.events[index]
            index += 1
            self.deliver(event)
        }
        self.events.removeAll(keepingCapacity: true)
        self.isDelivering = false
    }

    private func deliver(_ event: HTTP2Event) {
        switch event.kind {
        case .settings: unsafe self.delegate?.settingsArrived()
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
            guard let stream = unsafe event.stream?.takeUnretainedValue() else { return }
            self.detach(stream)
            let code = HTTP2ErrorCode(rawValue: event.code)
            stream.closed(code == .noError ? .completed : .reset(code))
            unsafe self.delegate?.streamClosed()
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
        case .settings, .goAway, .goAwaySent, .streamRefused, .streamErrorSent, .closed: ()
        }
    }
}

// MARK: - C entry points

extension HTTP2Session {
    private static func provider(for stream: HTTP2Stream) -> nghttp2_data_provider {
        var provider = unsafe nghttp2_data_provider()
        unsafe provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
        unsafe provider.read_callback = { _, _, _, length, flags, source, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { session in
                unsafe HTTP2Session.stream(source)._withUnsafeGuaranteedRef { stream in
                    unsafe session.readBody(of: stream, atMost: length, flags!)
                }
            }
        }
        return unsafe provider
    }

    static func install(on callbacks: OpaquePointer) {
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { unsafe $0.onBeginHeaders(frame!) }
        }
        unsafe nghttp2_session_callbacks_set_on_header_callback2(callbacks) { _, _, name, value, flags, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { unsafe $0.onHeader(name!, value!, flags) }
        }
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { unsafe $0.onFrame(frame!) }
        }
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
            _, _, streamID, bytes, count, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef {
                unsafe $0.onBody(streamID, UnsafeRawBufferPointer(start: bytes, count: count))
            }
        }
        unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { unsafe $0.onFrameSent(frame!) }
        }
        unsafe nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks) { _, _, _, _, _, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { $0.onInvalidHeader() }
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, streamID, code, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { $0.onStreamClose(streamID, code) }
        }
        unsafe nghttp2_session_callbacks_set_send_data_callback(callbacks) {
            _, frame, header, length, source, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { session in
                unsafe HTTP2Session.stream(source)._withUnsafeGuaranteedRef { stream in
                    unsafe session.writeFrame(
                        of: stream, header!, length, padding: Int(frame!.pointee.data.padlen))
                }
            }
        }
    }

    private static func from(_ userData: UnsafeMutableRawPointer?) -> Unmanaged<HTTP2Session> {
        unsafe Unmanaged<HTTP2Session>.fromOpaque(userData!)
    }

    private static func stream(_ source: UnsafeMutablePointer<nghttp2_data_source>?) -> Unmanaged<HTTP2Stream> {
        unsafe Unmanaged<HTTP2Stream>.fromOpaque(source!.pointee.ptr)
    }

    private func attachedStream(_ id: Int32) -> Unmanaged<HTTP2Stream>? {
        guard let pointer = unsafe nghttp2_session_get_stream_user_data(self.raw, id) else { return nil }
        return unsafe Unmanaged<HTTP2Stream>.fromOpaque(pointer)
    }

    private func onBeginHeaders(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let id = unsafe frame.pointee.hd.stream_id
        if unsafe frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
            if self.streamCount >= self.factory.settings.maxConcurrentStreams {
                unsafe self.streamOfHeaders = nil
                _ = unsafe nghttp2_submit_rst_stream(
                    self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, NGHTTP2_REFUSED_STREAM.rawValue)
                unsafe self.events.append(HTTP2Event(kind: .streamRefused))
                return 0
            }
            guard let stream = unsafe self.delegate?.makeStream() else {
                return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
            }
            _ = unsafe nghttp2_session_set_stream_user_data(self.raw, id, Unmanaged.passUnretained(stream).toOpaque())
            self.attach(stream, id: id)
            unsafe self.streamOfHeaders = stream
            self.headersAreTrailers = false
            return 0
        }
        guard let stream = unsafe self.attachedStream(id)?._withUnsafeGuaranteedRef({ $0 }) else {
            unsafe self.streamOfHeaders = nil
            return 0
        }
        unsafe self.streamOfHeaders = stream
        self.headersAreTrailers = stream.headersAreComplete
        // A final response after an informational one (1xx) starts afresh.
        if !self.headersAreTrailers { stream.headers.removeAll() }
        return 0
    }

    private func onHeader(_ name: OpaquePointer, _ value: OpaquePointer, _ flags: UInt8) -> Int32 {
        guard let stream = unsafe self.streamOfHeaders else { return 0 }
        let block = self.headersAreTrailers ? stream.trailers : stream.headers
        if stream.headersAreTooLarge {
            // Only what says how the caller wants to hear of it.
            if unsafe !HeaderBlock.isContentType(name) || block.contains(.contentType) { return 0 }
        }
        unsafe block.append(name: name, value: value, flags: flags)
        if block.size > self.factory.settings.maxHeaderListBytes, !stream.headersAreTooLarge {
            if self.role == .client || self.headersAreTrailers {
                return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
            }
            stream.headersAreTooLarge = true
        }
        return 0
    }

    /// A caller's header that is none makes its request malformed (RFC 9113 §8.2.1). A replica's is left out: its answer
    /// stays as good as it was.
    private func onInvalidHeader() -> Int32 {
        self.role == .server ? Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) : 0
    }

    private func onFrameSent(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = unsafe frame.pointee.hd
        switch UInt32(header.type) {
        case NGHTTP2_DATA.rawValue, NGHTTP2_HEADERS.rawValue:
            guard self.role == .server else { return 0 }
            self.gate?.answered()
            if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
                let stream = unsafe self.attachedStream(header.stream_id),
                unsafe !stream._withUnsafeGuaranteedRef({ $0.peerHasEnded })
            {
                unsafe self.record(.endSent, stream)
            }
        case NGHTTP2_RST_STREAM.rawValue:
            switch unsafe HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code) {
            case .protocolError, .streamClosed, .flowControlError, .frameSizeError:
                unsafe self.events.append(
                    HTTP2Event(kind: .streamErrorSent, code: frame.pointee.rst_stream.error_code))
            default: ()
            }
        case NGHTTP2_GOAWAY.rawValue:
            let code = unsafe frame.pointee.goaway.error_code
            if code != NGHTTP2_NO_ERROR.rawValue {
                unsafe self.events.append(HTTP2Event(kind: .goAwaySent, code: code))
            }
        default: ()
        }
        return 0
    }

    private func onFrame(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = unsafe frame.pointee.hd
        let ended = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch UInt32(header.type) {
        case NGHTTP2_DATA.rawValue:
            if ended, let stream = unsafe self.attachedStream(header.stream_id) {
                unsafe stream._withUnsafeGuaranteedRef { $0.peerHasEnded = true }
                unsafe self.record(.bodyEnded, stream)
            }
        case NGHTTP2_HEADERS.rawValue:
            guard let stream = unsafe self.streamOfHeaders else { return 0 }
            unsafe self.streamOfHeaders = nil
            if ended { stream.peerHasEnded = true }
            if self.headersAreTrailers {
                unsafe self.record(.trailers, Unmanaged.passUnretained(stream))
            } else if !stream.headers.isInformational {
                stream.headersAreComplete = true
                unsafe self.events.append(
                    HTTP2Event(kind: .headers, ended: ended, stream: Unmanaged.passUnretained(stream)))
            }
        case NGHTTP2_SETTINGS.rawValue:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { unsafe self.record(.settings, nil) }
        case NGHTTP2_GOAWAY.rawValue:
            unsafe self.events.append(
                HTTP2Event(
                    kind: .goAway, code: frame.pointee.goaway.error_code,
                    lastStreamID: frame.pointee.goaway.last_stream_id))
        default: ()
        }
        return 0
    }

    private func onBody(_ id: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        self.receivedBytes += bytes.count
        if let stream = unsafe self.attachedStream(id) {
            unsafe self.events.append(HTTP2Event(kind: .body, stream: stream, bytes: bytes))
        } else {
            _ = unsafe nghttp2_session_consume_stream(self.raw, id, bytes.count)
        }
        return 0
    }

    private func onStreamClose(_ id: Int32, _ code: UInt32) -> Int32 {
        guard let stream = unsafe self.attachedStream(id) else { return 0 }
        unsafe self.events.append(HTTP2Event(kind: .closed, code: code, stream: stream))
        return 0
    }

    private func readBody(of stream: HTTP2Stream, atMost length: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
        let available = stream.body.unframedCount
        let count = min(length, available)
        if count == available, stream.bodyHasEnded {
            unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if stream.sendsTrailers {
                unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                self.submitTrailers(of: stream)
            }
        } else if count == 0 {
            stream.isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        if count > 0 { unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue }
        return count
    }

    /// nghttp2 wants trailers submitted from the read callback, where it knows that the body is over.
    private func submitTrailers(of stream: HTTP2Stream) {
        let list = self.newHeaderList()
        switch stream.trailerSource {
        case .none: ()
        case .block(let block): list.append(block)
        case .own(let fields): for field in fields { list.append(name: field.name, value: field.value) }
        }
        _ = unsafe list.withVectors { unsafe nghttp2_submit_trailer(self.raw, stream.id, $0, $1) }
    }

    private func writeFrame(
        of stream: HTTP2Stream, _ header: UnsafePointer<UInt8>, _ length: Int, padding: Int
    ) -> Int32 {
        precondition(padding == 0, "we never pad")
        guard unsafe self.output.count - self.outputCount >= length + 9 else {
            // One call of nghttp2 goes on from frame to frame, past the check in `fill`.
            self.outputIsFull = true
            return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)
        }
        unsafe self.write(UnsafeRawBufferPointer(start: header, count: 9))
        unsafe stream.body.frame(length) { unsafe self.write($0) }
        if stream.framedBytes == 0 { unsafe self.record(.framed, Unmanaged.passUnretained(stream)) }
        stream.framedBytes += length
        stream.settle()
        return 0
    }

    @inline(__always)
    private func record(_ kind: HTTP2Event.Kind, _ stream: Unmanaged<HTTP2Stream>?) {
        unsafe self.events.append(HTTP2Event(kind: kind, stream: stream))
    }
}
