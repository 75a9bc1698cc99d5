/// How many streams a replica is given at a time, and how the others wait. Configuration section
/// `clusters[].admission`.
public struct AdmissionSettings: Sendable, Equatable {
    /// Most streams that one replica is given at a time, whatever the policy.
    public var maxInFlight = InFlightLimit.off
    /// Most streams that wait in the proxy at a time. Past it a stream that no replica may take is refused, and one that
    /// only waits for a better moment goes at once. At least 1.
    public var maxWaiting = 256
    /// Longest time that a stream waits for a replica that may take it, in milliseconds; then it is refused. At least 1.
    public var maxWaitMs = 30_000
    /// Whose streams take turns. Routing is handed the keys.
    public var fairBy = CallerKey.token

    public init() {}

    /// Whether a replica may be full.
    public var isLimiting: Bool { self.maxInFlight != .off }
}

/// The most streams that a replica is given at a time.
public enum InFlightLimit: Sendable, Equatable {
    /// As many as come.
    case off
    /// At least 1.
    case streams(Int)
    /// As many as the replica works on at a time, once that is known; as many as come before.
    case slots
}

/// What tells callers apart that wait in the same queue.
public enum CallerKey: Sendable, Equatable {
    /// The token that they sent; the connection without one.
    case token
    case connection
    /// The value of this request header; the connection without it.
    case metadata(String)
}
