/// Takes a stream's bytes as they arrive, in pieces cut anywhere, and gives its gRPC messages.
///
///     prefix ──five bytes──► message(length) ──length bytes──► prefix …      a problem stays for good
///
/// A message that lies whole in one piece is shown where it is; only one that is cut is collected, and memory grows with
/// what has arrived, not with what a prefix promises.
public struct GRPCFrameReader: Sendable {
    private let maxMessageBytes: Int
    /// The part of the message, prefix included, that came with earlier pieces.
    private var collected: [UInt8] = []
    private var problem: GRPCFrameProblem?

    /// - Parameter maxMessageBytes: longest message that is accepted, without its prefix; at least 0. The protocol's
    ///   own peers accept 50 MiB.
    public init(maxMessageBytes: Int) {
        precondition(maxMessageBytes >= 0, "a message cannot be shorter than nothing")
        self.maxMessageBytes = maxMessageBytes
    }

    /// Bytes that wait for the rest of their message.
    public var collectedBytes: Int { self.collected.count }

    /// Takes the next bytes of the stream and calls `body` with every message that they complete, in order. After a
    /// problem it throws the same one again whatever comes.
    public mutating func read(
        _ bytes: RawSpan, _ body: (_ message: RawSpan, _ isCompressed: Bool) -> Void
    ) throws(GRPCFrameProblem) {
        if let problem = self.problem { throw problem }
        do throws(GRPCFrameProblem) {
            let start = try self.completeCollected(bytes, body)
            try self.readWhole(bytes, from: start, body)
        } catch {
            self.problem = error
            self.collected = []
            throw error
        }
    }

    /// Says that no more bytes come. Throws when the stream ended inside a message, or had a problem before.
    public func finish() throws(GRPCFrameProblem) {
        if let problem = self.problem { throw problem }
        guard !self.collected.isEmpty else { return }
        let whole = try self.wholeCollectedLength() ?? GRPCFramePrefix.byteCount
        throw .truncated(missing: whole - self.collected.count)
    }

    /// Adds what the collected message still needs; returns how many of `bytes` that took.
    private mutating func completeCollected(
        _ bytes: RawSpan, _ body: (RawSpan, Bool) -> Void
    ) throws(GRPCFrameProblem) -> Int {
        guard !self.collected.isEmpty else { return 0 }
        var used = 0
        if self.collected.count < GRPCFramePrefix.byteCount {
            used = min(GRPCFramePrefix.byteCount - self.collected.count, bytes.byteCount)
            self.collect(bytes.extracting(0..<used))
        }
        guard let whole = try self.wholeCollectedLength() else { return used }
        let more = min(whole - self.collected.count, bytes.byteCount - used)
        self.collect(bytes.extracting(used..<(used + more)))
        used += more
        guard self.collected.count == whole else { return used }
        self.collected.withRawSpan { Self.show($0, body) }
        // A long message's memory is not kept for the next, short one.
        self.collected.removeAll(keepingCapacity: whole <= 64 * 1024)
        return used
    }

    /// Shows the messages that lie whole in `bytes`, and collects the beginning of the one that does not.
    private mutating func readWhole(
        _ bytes: RawSpan, from start: Int, _ body: (RawSpan, Bool) -> Void
    ) throws(GRPCFrameProblem) {
        var offset = start
        while offset < bytes.byteCount {
            let rest = bytes.extracting(offset..<bytes.byteCount)
            guard let whole = try self.wholeLength(rest), whole <= rest.byteCount else {
                self.collect(rest)
                return
            }
            Self.show(rest.extracting(0..<whole), body)
            offset += whole
        }
    }

    /// Bytes of the message that `bytes` begin with, prefix included; nil when the prefix is not whole.
    private func wholeLength(_ bytes: RawSpan) throws(GRPCFrameProblem) -> Int? {
        guard let prefix = try GRPCFramePrefix(bytes) else { return nil }
        guard prefix.length <= self.maxMessageBytes else { throw .tooLong(prefix.length) }
        return GRPCFramePrefix.byteCount + Int(prefix.length)
    }

    private func wholeCollectedLength() throws(GRPCFrameProblem) -> Int? {
        try self.collected.withRawSpan { bytes throws(GRPCFrameProblem) in try self.wholeLength(bytes) }
    }

    private mutating func collect(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe self.collected.append(contentsOf: $0) }
    }

    private static func show(_ whole: RawSpan, _ body: (RawSpan, Bool) -> Void) {
        body(whole.extracting(GRPCFramePrefix.byteCount..<whole.byteCount), whole.byte(at: 0) == 1)
    }
}
