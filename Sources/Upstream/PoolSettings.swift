/// How replicas are connected to. Configuration section `clusters[].connections`.
public struct PoolSettings: Sendable, Equatable {
    /// Connections that every event loop keeps to a replica when it has streams for them. At least 1.
    public var perLoop = 1
    /// How long a connect may take.
    public var connectTimeoutMs = 2_000
    /// How long a replica may take to acknowledge our SETTINGS on a new connection (RFC 9113 §6.5.3). Zero: for ever.
    public var settingsTimeoutMs = 60_000
    /// How many other replicas a stream may be sent to after a failure before its first response byte.
    public var maxRetries = 3

    /// Retries that traffic earns: this share of the streams that were picked for. 0 to 1.
    public var retryBudgetShare = 0.25
    /// Retries that are allowed at once, before traffic has earned more; also the most that are saved up.
    public var retryBudgetReserve = 1_000

    public init() {}
}
