/// Limits and behaviour of the downstream side. Configuration section `proxy`.
public struct ProxySettings: Sendable, Equatable {
    /// Most bytes of a stream's first message that are held for the routing hint; past it there is no hint.
    public var maxHeldBytes = 4 * 1024 * 1024
    /// Most request bytes that all streams together hold before their pick; past it a stream goes on without a hint.
    public var maxTotalHeldBytes = 256 * 1024 * 1024
    /// SETTINGS_MAX_CONCURRENT_STREAMS that callers are told (RFC 9113 §6.5.2).
    public var maxConcurrentStreams = 1_000
    /// Connections of callers, those in their TLS handshake too, shared out evenly over the loops. Past it the longest idle one is closed for a new one.
    public var maxConnections = 10_000
    /// SETTINGS_MAX_HEADER_LIST_SIZE: bytes of a request's headers as RFC 9113 §6.5.2 counts them.
    public var maxHeaderListBytes = 65_536
    /// Streams per second that one connection may reset; ten seconds' worth at once.
    public var maxResetsPerSecond = 100
    /// Frames per second without content that one connection may send; ten seconds' worth at once.
    public var maxEmptyFramesPerSecond = 1_000
    /// How long a caller may take for its preface, and for a frame or a header list that it has begun. Zero: for ever.
    public var handshakeTimeoutMs = 10_000
    /// How long a caller may take to acknowledge our SETTINGS (RFC 9113 §6.5.3). Zero: for ever.
    public var settingsTimeoutMs = 10_000
    /// How long a stream without a deadline may take for its first message, while the proxy waits for it. Zero: for ever.
    public var firstMessageTimeoutMs = 60_000
    /// How long a connection may be without streams. Zero: for ever.
    public var idleTimeoutMs = 3_600_000
    /// How long a stream without a deadline may be without progress in either direction. Zero: for ever.
    public var streamIdleTimeoutMs = 0
    /// How long a caller may leave the bytes of its answer where they are. Zero: for ever.
    public var stalledReaderTimeoutMs = 300_000
    /// How long open streams may go on after SIGTERM.
    public var drainTimeoutMs = 30_000
    /// Who is told which replica served a stream, in `x-homing-replica` and `x-homing-reason` response metadata.
    public enum Explain: String, Sendable, CaseIterable {
        case never
        /// Callers that send `x-homing-explain: 1`.
        case onRequest = "on_request"
        case always
    }
    public var explain = Explain.onRequest
    /// Whether a call without `x-request-id` gets one on its way to a replica.
    public var makeRequestIDs = false
    /// Request metadata whose value says which model is meant, for requests that carry no ModelIdentity. Empty: none.
    public var modelMetadataKey = ""

    public init() {}
}
