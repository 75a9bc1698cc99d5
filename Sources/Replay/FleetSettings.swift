/// The simulated workers.
package struct FleetSettings: Sendable {
    package var replicas = 8
    package var replica = ReplicaModel()
    /// Durations of each replica ÷ those of the reference, by position; 1 past its end.
    package var slowness: [Double] = []
    /// Durations vary by up to this share, at random.
    package var noise = 0.0
    package var seed: UInt64 = 1

    package init() {}
}

/// How a simulated replica works: prompts one after another, answers together, a cache of blocks.
package struct ReplicaModel: Sendable {
    /// Tokens that its cache holds.
    package var cacheTokens = 2_000_000
    /// Prompt tokens computed per second.
    package var prefillTokensPerSecond = 8_000.0
    /// Seconds that each prompt takes besides.
    package var overheadSeconds = 0.0
    /// Seconds per output token of a stream alone, and what each further stream adds.
    package var secondsPerOutputToken = 0.02
    package var secondsPerOutputTokenAndStream = 0.0
    /// By how much a prefill takes longer for each stream that generates meanwhile.
    package var interference = 0.0
    /// Streams at a time; further ones wait. Zero: as many as come.
    package var slots = 0

    package init() {}

    func prefillSeconds(_ request: Trace.Request, cached blocks: Int, decoding: Int) -> Double {
        let uncached = max(0, request.inputTokens - blocks * Trace.blockTokens)
        return (self.overheadSeconds + Double(uncached) / self.prefillTokensPerSecond)
            * (1 + self.interference * Double(decoding))
    }

    func decodeSeconds(_ request: Trace.Request, decoding: Int) -> Double {
        Double(request.outputTokens)
            * (self.secondsPerOutputToken + self.secondsPerOutputTokenAndStream * Double(decoding))
    }
}
