/// What a peer did that a strict and patient server does not take. Each one ends the connection.
public enum HTTP2Offence: String, Sendable, CaseIterable {
    /// A frame on a stream that the peer itself had ended.
    case streamClosed = "stream_closed"
    /// A stream identifier lower than one that is in use, and never opened itself.
    case unexpectedStream = "unexpected_stream"
    /// PRIORITY where it may not stand, or of a stream that depends on itself.
    case brokenPriority = "broken_priority"
    /// More RST_STREAM than a caller has reason for (CVE-2023-44487).
    case rapidReset = "rapid_reset"
    /// A header block in more CONTINUATION frames, or longer, than any request needs (VU#421644).
    case continuationFlood = "continuation_flood"
    /// More SETTINGS than a caller has reason for.
    case settingsFlood = "settings_flood"
    /// More PING than a caller has reason for.
    case pingFlood = "ping_flood"
    /// More DATA frames without data than a caller has reason for.
    case emptyFrames = "empty_frames"
    /// More PRIORITY, WINDOW_UPDATE or frames of unknown types than a caller has reason for.
    case controlFlood = "control_flood"

    /// What GOAWAY says.
    public var code: HTTP2ErrorCode {
        switch self {
        case .streamClosed: .streamClosed
        case .unexpectedStream, .brokenPriority: .protocolError
        case .rapidReset, .continuationFlood, .settingsFlood, .pingFlood, .emptyFrames, .controlFlood:
            .enhanceYourCalm
        }
    }
}

/// What one peer may do before it is sent away. Each is a bucket: so many per second, ten seconds' worth at once.
public struct FrameLimits: Sendable, Equatable {
    /// RST_STREAM frames. 1 or more.
    public var resetsPerSecond = 100
    /// Frames that carry nothing: SETTINGS and PING count ten of these, DATA without data, PRIORITY, WINDOW_UPDATE and
    /// unknown types one. 1 or more.
    public var emptyFramesPerSecond = 1_000
    /// CONTINUATION frames of one header block.
    public var maxContinuations = 16

    public init() {}
}
