/// Limits and behaviour of the downstream side. Configuration section `proxy`.
package struct ProxySettings: Sendable, Equatable {
    /// Most bytes of a stream's first message that are held for the routing hint; past it there is no hint.
    package var maxHeldBytes = 4 * 1024 * 1024
    /// SETTINGS_MAX_CONCURRENT_STREAMS that callers are told (RFC 9113 §6.5.2).
    package var maxConcurrentStreams = 1_000
    /// How long open streams may go on after SIGTERM.
    package var drainTimeoutMs = 30_000
    /// Who is told which replica served a stream, in `x-homing-replica` and `x-homing-reason` response metadata.
    package enum Explain: String, Sendable, CaseIterable {
        case never
        /// Callers that send `x-homing-explain: 1`.
        case onRequest = "on_request"
        case always
    }
    package var explain = Explain.onRequest

    package init() {}
}
