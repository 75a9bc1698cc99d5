/// What one ended stream was: where it came from, who served it and why, how it ended, how much and how long.
///
/// Made once per stream, at its end, and only when the log is on. Its strings should be ones that exist already (a
/// connection's peer address, a cluster's name), so that making an entry copies references. It has no place for a
/// prompt or a message, and of headers only for the two that name the call; nothing else may be put into its fields.
public struct AccessLogEntry: Sendable {
    /// When the stream's HEADERS arrived, in milliseconds since 1970-01-01 UTC.
    public var startUnixMs: Int
    /// The caller's address with its port, as the socket reports it.
    public var peer: String
    /// The configured name or address of the listener that accepted the connection.
    public var listener: String
    /// The request's `:path`, as the caller sent it.
    public var method: String
    /// The cluster that the stream was routed to, nil when none was found.
    public var cluster: String?
    /// The model that the stream asked for, nil when it named none.
    public var model: String?
    /// What the caller calls this request, or what the proxy made in its place; nil for none.
    public var requestID: String?
    /// The `traceparent` that the caller sent (W3C Trace Context), as it came; nil when it sent none.
    public var traceParent: String?
    /// The replica that was sent the stream last, nil when it never got that far.
    public var replica: String?
    /// Why that replica was picked.
    public var pickReason: String?
    /// Prompt blocks that the replica was believed to hold, nil for a stream without a prompt.
    public var matchedBlocks: Int?
    /// Share of the prompt's bytes in those blocks, 0 to 1, nil for a stream without a prompt.
    public var matchedShare: Double?
    /// The gRPC status that the caller was told, nil when the stream ended without one.
    public var grpcStatus: Int?
    /// That status in words, such as `UNAVAILABLE`; nil for none and for numbers that gRPC does not define.
    public var grpcStatusName: String?
    /// The HTTP/2 error code of the RST_STREAM that ended the downstream stream, from either side; nil when none did.
    public var resetCode: UInt32?
    /// Bytes of DATA payload that the caller sent.
    public var requestBytes = 0
    /// Whole gRPC messages that the caller sent.
    public var requestMessages = 0
    /// Bytes of DATA payload that the caller was sent.
    public var responseBytes = 0
    /// Whole gRPC messages that the caller was sent.
    public var responseMessages = 0
    /// From the arrival of HEADERS to the first response byte towards the caller, nil when there was none.
    public var firstResponse: Duration?
    /// From the arrival of HEADERS to the stream's end.
    public var total: Duration
    /// How many replicas the stream was given to after the first one.
    public var retries = 0
    /// How long it waited in the proxy for a replica; nil when it did not.
    public var queueWait: Duration?
    /// Time to the first response that was expected when its last replica was picked; nil when nobody knew.
    public var expectedFirstResponse: Duration?
    /// The cause of the reply that the proxy made itself, nil when an upstream answered.
    public var localReply: String?

    public init(startUnixMs: Int, peer: String, listener: String, method: String, total: Duration) {
        self.startUnixMs = startUnixMs
        self.peer = peer
        self.listener = listener
        self.method = method
        self.total = total
    }

    /// Names every field once, in the order of the line.
    func fields(into line: inout some AccessLogLine & ~Copyable) {
        line.timestamp("time", unixMs: self.startUnixMs)
        line.text("peer", self.peer)
        line.text("listener", self.listener)
        line.text("method", self.method)
        line.text("cluster", self.cluster)
        line.text("model", self.model)
        line.text("request_id", self.requestID)
        line.text("traceparent", self.traceParent)
        line.text("replica", self.replica)
        line.text("reason", self.pickReason)
        line.number("matched_blocks", self.matchedBlocks)
        line.thousandths("matched_share", self.matchedShare.map(AccessLogEntry.thousandths(ofShare:)))
        line.number("grpc_status", self.grpcStatus)
        line.text("grpc_status_name", self.grpcStatusName)
        line.number("reset_code", self.resetCode.map(Int.init))
        line.number("request_bytes", self.requestBytes)
        line.number("request_messages", self.requestMessages)
        line.number("response_bytes", self.responseBytes)
        line.number("response_messages", self.responseMessages)
        line.thousandths("first_response_ms", self.firstResponse.map { $0.wholeNanoseconds / 1_000 })
        line.thousandths("total_ms", self.total.wholeNanoseconds / 1_000)
        line.number("retries", self.retries)
        line.thousandths("queue_wait_ms", self.queueWait.map { $0.wholeNanoseconds / 1_000 })
        line.thousandths("expected_ms", self.expectedFirstResponse.map { $0.wholeNanoseconds / 1_000 })
        line.text("local_reply", self.localReply)
    }

    /// 0 to 1000; what is not a share, and NaN above all, must not trap a log line.
    private static func thousandths(ofShare share: Double) -> Int {
        share > 0 ? Int((min(share, 1) * 1_000).rounded()) : 0
    }
}
