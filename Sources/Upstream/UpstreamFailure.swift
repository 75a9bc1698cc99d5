public import Transport
public import Wire

/// What went wrong between the proxy and a replica. Closed: a new kind does not compile until every question below has
/// its answer.
public enum UpstreamFailure: Error, Sendable, Equatable {
    /// No connection came about.
    case connectFailed(ConnectFailure)
    /// The connection went away under the stream.
    case connectionLost
    /// The replica did not acknowledge our SETTINGS in time: nobody is at home on that connection.
    case settingsTimeout
    /// The connection was silent for so long, with streams waiting on it, that we gave it up.
    case stalled
    /// The replica did not take the stream: REFUSED_STREAM, or a GOAWAY with a lower last stream (RFC 9113 §8.7).
    case refused
    /// The replica ended the stream with another RST_STREAM before its answer was complete.
    case reset(HTTP2ErrorCode)
    /// The replica's answer is not gRPC: no status, or not even HTTP 200.
    case notGRPC
}

extension UpstreamFailure {
    /// Whether another replica may be tried while no response byte has been relayed.
    public var mayTryElsewhere: Bool {
        switch self {
        case .connectFailed, .connectionLost, .settingsTimeout, .stalled, .refused: true
        case .reset, .notGRPC: false
        }
    }

    /// Whether the connection is of no more use, and with it perhaps the replica.
    public var isOfConnection: Bool {
        switch self {
        case .connectFailed, .connectionLost, .settingsTimeout, .stalled: true
        case .refused, .reset, .notGRPC: false
        }
    }

    /// More for logs, where there is more.
    public var detail: String? {
        switch self {
        case .connectFailed(.unreachable(let text)): text
        case .connectFailed(.tls(let failure)): failure.detail
        case .connectFailed(.refused), .connectFailed(.timedOut), .connectionLost, .settingsTimeout, .stalled, .refused,
            .reset,
            .notGRPC:
            nil
        }
    }

    /// The name that metrics and logs use.
    public var name: String {
        switch self {
        case .connectFailed(.refused): "connect_refused"
        case .connectFailed(.timedOut): "connect_timeout"
        case .connectFailed(.unreachable): "connect_failed"
        case .connectFailed(.tls(let failure)): "tls_\(failure.kind.rawValue)"
        case .connectionLost: "connection_lost"
        case .settingsTimeout: "settings_timeout"
        case .stalled: "stalled"
        case .refused: "stream_refused"
        case .reset: "stream_reset"
        case .notGRPC: "not_grpc"
        }
    }
}

/// How a stream to a replica ended.
public enum UpstreamOutcome: Sendable, Equatable {
    /// The replica's answer is complete, whatever its status says.
    case answered
    /// We ended it: the caller went away, or its deadline passed.
    case cancelled
    case failed(UpstreamFailure)
}
