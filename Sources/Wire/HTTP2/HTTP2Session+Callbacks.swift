internal import CNghttp2

/// What nghttp2 calls. A callback records an event and returns; `deliver` acts on it when the C call is over.
extension HTTP2Session {
    static func install(on callbacks: OpaquePointer, for role: Role) {
        unsafe nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, header, userData in
            guard unsafe UInt32(header!.pointee.type) == NGHTTP2_SETTINGS.rawValue else { return 0 }
            guard unsafe header!.pointee.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 else { return 0 }
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { $0.noteWindows() }
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { unsafe $0.onBeginHeaders(frame!) }
        }
        unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _, _, name, nameCount, value, valueCount, flags, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef {
                unsafe $0.onHeader(
                    UnsafeBufferPointer(start: name, count: nameCount),
                    UnsafeBufferPointer(start: value, count: valueCount), flags)
            }
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
        // Nobody asks what a client session has sent: 50 instructions of each frame.
        if role == .server {
            unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, userData in
                unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { unsafe $0.onFrameSent(frame!) }
            }
        }
        unsafe nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks) { _, _, _, _, _, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { $0.onInvalidHeader() }
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, streamID, code, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { $0.onStreamClose(streamID, code) }
        }
        unsafe nghttp2_session_callbacks_set_send_data_callback(callbacks) {
            _, frame, _, length, source, userData in
            unsafe HTTP2Session.from(userData)._withUnsafeGuaranteedRef { session in
                unsafe HTTP2Session.stream(source)._withUnsafeGuaranteedRef { stream in
                    unsafe session.writeFrame(of: stream, frame!, length)
                }
            }
        }
    }

    static func from(_ userData: UnsafeMutableRawPointer?) -> Unmanaged<HTTP2Session> {
        unsafe Unmanaged<HTTP2Session>.fromOpaque(userData!)
    }

    static func stream(_ source: UnsafeMutablePointer<nghttp2_data_source>?) -> Unmanaged<HTTP2Stream> {
        unsafe Unmanaged<HTTP2Stream>.fromOpaque(source!.pointee.ptr)
    }

    @inline(__always)
    func attachedStream(_ id: Int32) -> Unmanaged<HTTP2Stream>? {
        unsafe self.streamCache.find(id) ?? self.lookUpStream(id)
    }

    @inline(never)
    private func lookUpStream(_ id: Int32) -> Unmanaged<HTTP2Stream>? {
        guard let pointer = unsafe nghttp2_session_get_stream_user_data(self.raw, id) else { return nil }
        let stream = unsafe Unmanaged<HTTP2Stream>.fromOpaque(pointer)
        unsafe self.streamCache.insert(stream, id, among: self.streamCount)
        return unsafe stream
    }

    func onBeginHeaders(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let id = unsafe frame.pointee.hd.stream_id
        if unsafe frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
            if self.streamCount >= self.factory.settings.maxConcurrentStreams {
                self.expectHeaders(of: nil)
                _ = unsafe nghttp2_submit_rst_stream(
                    self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, NGHTTP2_REFUSED_STREAM.rawValue)
                unsafe self.events.append(HTTP2Event(kind: .streamRefused))
                return 0
            }
            guard let made = unsafe self.delegate?.makeStream() else {
                return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
            }
            // What came with a reference goes on with it: no retain and no release.
            let stream = unsafe Unmanaged.passRetained(made)
            _ = unsafe nghttp2_session_set_stream_user_data(self.raw, id, stream.toOpaque())
            unsafe self.attach(stream, id: id)
            self.headersAreTrailers = false
            unsafe stream._withUnsafeGuaranteedRef { self.expectHeaders(of: $0) }
            return 0
        }
        guard let stream = unsafe self.attachedStream(id) else {
            self.expectHeaders(of: nil)
            return 0
        }
        unsafe stream._withUnsafeGuaranteedRef { stream in
            self.headersAreTrailers = stream.headersAreComplete
            // A final response after an informational one (1xx) starts afresh.
            if !self.headersAreTrailers { stream.headers.removeAll() }
            self.expectHeaders(of: stream)
        }
        return 0
    }

    /// The headers that come next belong to `stream`, or to nobody.
    func expectHeaders(of stream: HTTP2Stream?) {
        guard let stream else {
            unsafe self.streamOfHeaders = nil
            unsafe self.blockOfHeaders = nil
            return
        }
        unsafe self.streamOfHeaders = Unmanaged.passUnretained(stream)
        unsafe self.blockOfHeaders = Unmanaged.passUnretained(
            self.headersAreTrailers ? stream.trailers : stream.headers)
    }

    func onHeader(
        _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ flags: UInt8
    ) -> Int32 {
        guard let block = unsafe self.blockOfHeaders else { return 0 }
        return unsafe block._withUnsafeGuaranteedRef { block in
            // Of what comes after the limit only what says how the caller wants to hear of it.
            if block.size > self.maxHeaderListBytes, unsafe !block.lacksContentType(name) { return 0 }
            unsafe block.append(name: name, value: value, flags: flags)
            return block.size > self.maxHeaderListBytes ? self.headersAreTooLarge() : 0
        }
    }

    private func headersAreTooLarge() -> Int32 {
        if self.role == .client || self.headersAreTrailers {
            return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        unsafe self.streamOfHeaders?._withUnsafeGuaranteedRef { $0.headersAreTooLarge = true }
        return 0
    }

    /// A caller's header that is none makes its request malformed (RFC 9113 §8.2.1). A replica's is left out: its answer
    /// stays as good as it was.
    func onInvalidHeader() -> Int32 {
        self.role == .server ? Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) : 0
    }

    /// Server sessions only.
    func onFrameSent(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = unsafe frame.pointee.hd
        switch UInt32(header.type) {
        case NGHTTP2_DATA.rawValue, NGHTTP2_HEADERS.rawValue:
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

    func onFrame(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
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
            self.expectHeaders(of: nil)
            let isFinal = unsafe stream._withUnsafeGuaranteedRef { stream in
                if ended { stream.peerHasEnded = true }
                if self.headersAreTrailers { return true }
                if stream.headers.isInformational { return false }
                stream.headersAreComplete = true
                return true
            }
            if self.headersAreTrailers {
                unsafe self.record(.trailers, stream)
            } else if isFinal {
                unsafe self.events.append(HTTP2Event(kind: .headers, ended: ended, stream: stream))
            }
        case NGHTTP2_SETTINGS.rawValue:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
                self.checkWindows()
                unsafe self.record(.settings, nil)
            } else {
                self.settingsAreAcknowledged = true
            }
        case NGHTTP2_PING.rawValue:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 { unsafe self.record(.pingAnswered, nil) }
        case NGHTTP2_GOAWAY.rawValue:
            unsafe self.events.append(
                HTTP2Event(
                    kind: .goAway, code: frame.pointee.goaway.error_code,
                    lastStreamID: frame.pointee.goaway.last_stream_id))
        default: ()
        }
        return 0
    }

    func onBody(_ id: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        self.receivedBytes += bytes.count
        if let stream = unsafe self.attachedStream(id) {
            unsafe self.events.append(HTTP2Event(kind: .body, stream: stream, bytes: bytes))
        } else {
            _ = unsafe nghttp2_session_consume_stream(self.raw, id, bytes.count)
        }
        return 0
    }

    func onStreamClose(_ id: Int32, _ code: UInt32) -> Int32 {
        guard let stream = unsafe self.attachedStream(id) else { return 0 }
        // nghttp2 forgets it now, and so nobody is to find it.
        self.streamCache.remove(id)
        unsafe self.events.append(HTTP2Event(kind: .closed, code: code, stream: stream))
        return 0
    }

    @inline(__always)
    func record(_ kind: HTTP2Event.Kind, _ stream: Unmanaged<HTTP2Stream>?) {
        unsafe self.events.append(HTTP2Event(kind: kind, stream: stream))
    }
}
