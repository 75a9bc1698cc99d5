internal import CNghttp2

/// What a connection and its streams ask nghttp2 to send.
extension HTTP2Session {
    /// The header list to fill before `submitRequest` or `submitResponse`; empty when it is handed out.
    public func newHeaderList() -> HeaderList {
        self.headerList.removeAll()
        return self.headerList
    }

    /// Starts a request on this client session. The stream's body may follow, unless `ended`.
    /// False when no stream identifier is left or the session has failed; the stream then stays detached.
    public func submitRequest(_ stream: HTTP2Stream, _ list: HeaderList, ended: Bool) -> Bool {
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
        unsafe self.attach(Unmanaged.passRetained(stream), id: id)
        self.askForDrain()
        return true
    }

    /// Answers a request that arrived on this server session. With `ended` the headers are the whole answer.
    public func submitResponse(_ stream: HTTP2Stream, _ list: HeaderList, ended: Bool) {
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
    public func submitShutdownNotice() {
        guard self.role == .server else { return }
        _ = unsafe nghttp2_submit_shutdown_notice(self.raw)
        self.askForDrain()
    }

    /// Says which streams were taken; later ones are refused.
    public func submitGoAway(_ code: HTTP2ErrorCode) {
        let last = unsafe nghttp2_session_get_last_proc_stream_id(self.raw)
        _ = unsafe nghttp2_submit_goaway(self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, code.rawValue, nil, 0)
        self.askForDrain()
    }

    /// How many streams the peer lets us have open at once.
    public var peerMaxConcurrentStreams: Int {
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

    func submitSettings(_ settings: HTTP2Settings) {
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

    func askForDrain() {
        guard !self.drainIsAsked else { return }
        self.drainIsAsked = true
        unsafe self.delegate?.sessionNeedsDrain()
    }

    static func provider(for stream: HTTP2Stream) -> nghttp2_data_provider {
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

    /// nghttp2 wants trailers submitted from the read callback, where it knows that the body is over.
    func submitTrailers(of stream: HTTP2Stream) {
        self.headerList.removeAll()
        switch unsafe stream.trailerSource {
        case .none: ()
        case .block(let block): unsafe block._withUnsafeGuaranteedRef { self.headerList.append($0) }
        case .own(let fields):
            for field in fields { self.headerList.append(name: field.name, value: field.value) }
        }
        _ = unsafe self.headerList.withVectors { unsafe nghttp2_submit_trailer(self.raw, stream.id, $0, $1) }
    }
}
