/// What `expected_ttft` believes of one replica, for people.
public struct ReplicaEstimates: Equatable, Sendable {
    /// Prompt tokens that it computes per second, of a prompt of a few thousand.
    public var prefillTokensPerSecond: Double
    /// Time that each prompt takes besides, in milliseconds.
    public var overheadMs: Double
    /// Tokens that its cache holds.
    public var cacheTokens: Int
    /// Streams that it works on at a time; zero: not known.
    public var slots: Int
    /// Time to the first response, predicted when streams were sent there and observed, in milliseconds: averages over the
    /// last few dozen. Zero before the first.
    public var predictedMs: Double
    public var observedMs: Double
    /// Streams that told something.
    public var observations: Int
    /// Share of the unstarted work there that another prompt waits for, 0 to 1: prompts are computed one after the other,
    /// or side by side. The same for all replicas of a cluster.
    public var lineShare: Double
}

extension ReplicaTable {
    /// nil when the replica is gone, and from a policy that learns nothing.
    public func estimates(of replica: ReplicaID) -> ReplicaEstimates? {
        guard let expected = self.expected, let slot = self.slot(of: replica) else { return nil }
        let load = expected.loads[slot]
        return ReplicaEstimates(
            prefillTokensPerSecond: expected.model.bytesPerSecond / expected.bytesPerToken / load.speed,
            overheadMs: expected.model.coefficients[0] * load.speed * 1_000,
            cacheTokens: Int(Double(expected.index.caches[slot].capacityBytes) / expected.bytesPerToken),
            slots: expected.slots(ofSlot: slot), predictedMs: load.predictedSeconds * 1_000,
            observedMs: load.observedSeconds * 1_000, observations: load.observations, lineShare: expected.lineShare)
    }

    /// Work that was ever sent and work that waits, in seconds of a replica, as predicted; nil from a policy that learns
    /// nothing.
    public var offeredSeconds: (sent: Double, waiting: Double)? {
        guard let expected = self.expected else { return nil }
        return (expected.offeredSeconds, self.queue.prompts.reduce(0) { $0 + $1.ownSeconds })
    }
}
