import Wire

/// What the proxy does against callers that cost more than they have reason for: the names of
/// `homing_defences_total{kind}`, together with those of `HTTP2Offence`.
public enum Defence: String, Sendable, CaseIterable {
    /// More connections than allowed: one that carried nothing was closed for a new one.
    case idleConnectionClosed = "idle_connection_closed"
    /// More connections than allowed, and all busy: the new one was closed.
    case connectionRefused = "connection_refused"
    /// Nothing happened on a connection for too long.
    case idleTimeout = "idle_timeout"
    /// A preface, a frame or a header list did not arrive in time.
    case slowCaller = "slow_caller"
    /// A caller did not acknowledge our SETTINGS in time (RFC 9113 §6.5.3).
    case settingsTimeout = "settings_timeout"
    /// A TLS handshake was not over in time.
    case slowHandshake = "slow_handshake"
    /// A stream without a deadline whose first message did not come in time.
    case firstMessageTimeout = "first_message_timeout"
    /// More streams on a connection than allowed: the new one was refused.
    case streamRefused = "stream_refused"
    /// A header list over the limit.
    case headersTooLarge = "headers_too_large"
    /// A request that breaks HTTP/2's rules for messages.
    case malformedRequest = "malformed_request"
    /// All streams together hold too much: one went on without a hint, or was refused.
    case heldBytes = "held_bytes"
    /// A stream on which nothing moved either way.
    case streamIdle = "stream_idle"
    /// A caller that does not take its answer.
    case stalledReader = "stalled_reader"
}

extension Defence {
    /// What GOAWAY says when it ends a connection.
    var goAwayCode: HTTP2ErrorCode {
        switch self {
        case .settingsTimeout: .settingsTimeout
        case .idleConnectionClosed, .connectionRefused, .idleTimeout, .slowCaller, .slowHandshake, .firstMessageTimeout,
            .streamRefused, .headersTooLarge, .malformedRequest, .heldBytes, .streamIdle, .stalledReader:
            .noError
        }
    }
}
