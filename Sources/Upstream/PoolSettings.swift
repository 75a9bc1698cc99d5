/// How replicas are connected to. Configuration section `clusters[].connections`.
package struct PoolSettings: Sendable, Equatable {
    /// Connections that every event loop keeps to a replica when it has streams for them. At least 1.
    package var perLoop = 1
    /// How long a connect may take.
    package var connectTimeoutMs = 2_000
    /// How long a replica may take to acknowledge our SETTINGS on a new connection (RFC 9113 §6.5.3). Zero: for ever.
    package var settingsTimeoutMs = 60_000
    /// How many other replicas a stream may be sent to after a failure before its first response byte.
    package var maxRetries = 3

    /// Retries that traffic earns: this share of the streams that were picked for. 0 to 1.
    package var retryBudgetShare = 0.25
    /// Retries that are allowed at once, before traffic has earned more; also the most that are saved up.
    package var retryBudgetReserve = 1_000

    package init() {}
}
