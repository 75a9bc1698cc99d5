internal import Wire

/// Counts the whole gRPC messages in a stream's bytes without keeping any, however the bytes are cut.
struct MessageCounter {
    private(set) var messages = 0
    /// A message began with a flag that is neither 0 nor 1: these bytes are not gRPC, and nothing more is counted.
    private(set) var isMalformed = false
    /// Bytes of the current message that are still to come.
    private var remaining = 0
    /// Bytes of the next prefix that have come, and the length so far.
    private var prefixBytes = 0
    private var length = 0

    /// Whether the bytes so far end between two messages.
    var isBetweenMessages: Bool { self.remaining == 0 && self.prefixBytes == 0 }

    mutating func count(_ bytes: RawSpan) {
        guard !self.isMalformed else { return }
        var offset = 0
        while offset < bytes.byteCount {
            if self.remaining > 0 {
                let taken = min(self.remaining, bytes.byteCount - offset)
                self.remaining -= taken
                offset += taken
                if self.remaining == 0 { self.messages += 1 }
                continue
            }
            if self.prefixBytes == 0 {
                if bytes.byte(at: offset) > 1 {
                    self.isMalformed = true
                    return
                }
                if bytes.byteCount - offset >= GRPCFramePrefix.byteCount {
                    self.remaining = Int(bytes.bigEndianUInt32(at: offset + 1))
                    offset += GRPCFramePrefix.byteCount
                    if self.remaining == 0 { self.messages += 1 }
                    continue
                }
            }
            if self.prefixBytes > 0 { self.length = self.length << 8 | Int(bytes.byte(at: offset)) }
            self.prefixBytes += 1
            offset += 1
            if self.prefixBytes == GRPCFramePrefix.byteCount {
                (self.remaining, self.prefixBytes) = (self.length, 0)
                self.length = 0
                if self.remaining == 0 { self.messages += 1 }
            }
        }
    }
}
