extension ReplicaSnapshot {
    /// What the routing policy believes of the replica, in `/api/replicas`.
    package struct Estimates: Sendable, Equatable, Codable {
        /// Prompt tokens that it computes per second.
        package var prefillTokensPerSecond: Double
        /// What each prompt takes besides, in milliseconds.
        package var overheadMs: Double
        /// Tokens that its cache holds.
        package var cacheTokens: Int
        /// Streams that it works on at a time; zero: not known.
        package var slots: Int
        /// Time to the first response, predicted and observed, in milliseconds; averages over the last few dozen streams.
        package var predictedMs: Double
        package var observedMs: Double
        /// Streams that told something.
        package var observations: Int
        /// Share of the work before it that a prompt waits for: 1 when prompts are computed one after the other.
        package var lineShare: Double

        package init(
            prefillTokensPerSecond: Double, overheadMs: Double, cacheTokens: Int, slots: Int, predictedMs: Double,
            observedMs: Double, observations: Int, lineShare: Double
        ) {
            self.prefillTokensPerSecond = prefillTokensPerSecond
            self.overheadMs = overheadMs
            self.cacheTokens = cacheTokens
            self.slots = slots
            self.predictedMs = predictedMs
            self.observedMs = observedMs
            self.observations = observations
            self.lineShare = lineShare
        }

        private enum CodingKeys: String, CodingKey {
            case slots, observations
            case prefillTokensPerSecond = "prefill_tokens_per_s"
            case overheadMs = "overhead_ms"
            case cacheTokens = "cache_tokens"
            case predictedMs = "predicted_ms"
            case observedMs = "observed_ms"
            case lineShare = "line_share"
        }
    }
}
