internal import CNghttp2

extension HTTP2Session {
    /// Asks the peer for a sign of life (RFC 9113 §6.7); it comes back as bytes, and as `pingAnswered`. Needs a drain
    /// afterwards. Workers count PINGs and cut off who sends many.
    public func submitPing() {
        guard !self.hasFailed else { return }
        _ = unsafe nghttp2_submit_ping(self.raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
    }

    /// Bytes of a PING frame, and of its answer.
    public static let pingBytes = 17
}
