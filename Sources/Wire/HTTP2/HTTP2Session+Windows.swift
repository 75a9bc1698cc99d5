internal import CNghttp2

/// What a changed INITIAL_WINDOW_SIZE does to the windows of open streams (RFC 9113 §6.9.2).
///
/// One that goes past 2³¹−1 is an error of the connection; nghttp2 resets the stream and goes on. It leaves the window of
/// such a stream as it was, so what they were before the frame must be known.
extension HTTP2Session {
    private static let largestWindow = Int(Int32.max)

    private var initialWindow: Int {
        Int(unsafe nghttp2_session_get_remote_settings(self.raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE))
    }

    /// A SETTINGS frame begins.
    func noteWindows() {
        self.initialWindowBefore = self.initialWindow
        self.forEachStream { stream in
            stream.windowBeforeSettings = Int(
                unsafe nghttp2_session_get_stream_remote_window_size(self.raw, stream.id))
        }
    }

    /// The frame has been applied. No stream has come or gone since it began.
    func checkWindows() {
        let growth = self.initialWindow - self.initialWindowBefore
        guard growth > 0 else { return }
        var overflows = false
        self.forEachStream { stream in
            if stream.windowBeforeSettings + growth > Self.largestWindow { overflows = true }
        }
        guard overflows else { return }
        _ = unsafe nghttp2_session_terminate_session(self.raw, NGHTTP2_FLOW_CONTROL_ERROR.rawValue)
    }
}
