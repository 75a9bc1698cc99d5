/// What one run of a trace gave, request by request in the order of the trace.
package struct ReplayResult: Sendable {
    /// Seconds.
    package var ttft: [Double] = []
    package var endToEnd: [Double] = []
    package var arrivals: [Double] = []
    /// Share of each prompt's tokens that were cached, and of all of them.
    package var hits: [Double] = []
    package var hit = 0.0
    package var placements: [Int] = []
    /// Share of the requests that went to the replica with most.
    package var maxShare = 0.0
    package var decisionsPerSecond = 0.0

    package init() {}

    package var meanTTFT: Double { Self.mean(self.ttft) }
    package var meanEndToEnd: Double { Self.mean(self.endToEnd) }

    /// The time to first token that `share` of the requests did not exceed.
    package func ttft(at share: Double) -> Double {
        let sorted = self.ttft.sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }

    private static func mean(_ values: [Double]) -> Double {
        values.reduce(0, +) / Double(max(1, values.count))
    }
}
