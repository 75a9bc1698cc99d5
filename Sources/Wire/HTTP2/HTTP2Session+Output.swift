internal import CNghttp2

/// What goes out: frames of nghttp2, and the bodies of streams, straight into the region that is to be written.
extension HTTP2Session {
    /// Fills `output` with frames. Returns whether there may be more than fitted.
    public func drain(into output: inout OutputRawSpan) -> Bool {
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
    public var isOver: Bool {
        unsafe self.leftover.isEmpty && nghttp2_session_want_read(self.raw) == 0
            && nghttp2_session_want_write(self.raw) == 0
    }

    func fill() -> Bool {
        guard unsafe self.leftover.isEmpty || self.flushLeftover() else { return true }
        while unsafe self.output.count - self.outputCount >= Self.smallestRegion {
            var pointer: UnsafePointer<UInt8>?
            let count = unsafe nghttp2_session_mem_send(self.raw, &pointer)
            if count < 0 { self.hasFailed = true }
            guard count > 0, let pointer = unsafe pointer else { return self.outputIsFull }
            let (start, frames) = unsafe (self.outputCount, UnsafeRawBufferPointer(start: pointer, count: count))
            guard unsafe count <= self.output.count - start else {
                // No frame of a server's is larger than the smallest region; what is left over would be in the buffer that
                // other sessions write to next.
                precondition(self.role == .client, "a server's frame fits")
                unsafe self.leftover = frames
                _ = self.flushLeftover()
                return true
            }
            unsafe self.write(frames)
            if !self.settingsAreSent { self.tellStreamLimit(at: start, count) }
        }
        return true
    }

    /// Puts the limit that callers are told in place of nghttp2's own, which is higher, in our first SETTINGS frame: at
    /// its own limit nghttp2 ends the connection instead of refusing a stream (RFC 9113 §5.1.2).
    func tellStreamLimit(at start: Int, _ count: Int) {
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

    func flushLeftover() -> Bool {
        let count = unsafe min(self.leftover.count, self.output.count - self.outputCount)
        unsafe self.write(UnsafeRawBufferPointer(rebasing: self.leftover[..<count]))
        unsafe self.leftover = UnsafeRawBufferPointer(rebasing: self.leftover[count...])
        return unsafe self.leftover.isEmpty
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        unsafe (self.output.baseAddress! + self.outputCount).copyMemory(from: base, byteCount: bytes.count)
        self.outputCount += bytes.count
    }

    @inline(__always)
    func readBody(of stream: HTTP2Stream, atMost length: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
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

    /// The frame's header is made here: nghttp2 made one in its frame buffer, which is that of other sessions, too, and a
    /// frame that found no room comes back after they had their turn.
    @inline(__always)
    func writeFrame(of stream: HTTP2Stream, _ frame: UnsafePointer<nghttp2_frame>, _ length: Int) -> Int32 {
        let header = unsafe frame.pointee.hd
        precondition(header.length == length, "we never pad")
        guard unsafe self.output.count - self.outputCount >= length + 9 else {
            // One call of nghttp2 goes on from frame to frame, past the check in `fill`.
            self.outputIsFull = true
            return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)
        }
        let start = unsafe self.output.baseAddress! + self.outputCount
        unsafe start.storeBytes(of: (UInt32(length) << 8 | UInt32(NGHTTP2_DATA.rawValue)).bigEndian, as: UInt32.self)
        unsafe start.storeBytes(of: header.flags, toByteOffset: 4, as: UInt8.self)
        unsafe start.storeBytes(of: UInt32(header.stream_id).bigEndian, toByteOffset: 5, as: UInt32.self)
        self.outputCount += 9
        unsafe stream.body.frame(length) { unsafe self.write($0) }
        if stream.framedBytes == 0 { unsafe self.record(.framed, Unmanaged.passUnretained(stream)) }
        stream.framedBytes += length
        stream.settle()
        return 0
    }
}
