/// What `expected_ttft` starts from and is bound by. Everything else it learns. Configuration section
/// `clusters[].routing.expected_ttft`.
public struct ExpectedTTFTSettings: Sendable, Equatable {
    /// Prompt tokens that a replica computes per second, to start from. Above 0.
    public var prefillTokensPerSecond = 6_000.0
    /// Time that each prompt takes besides, in milliseconds, to start from.
    public var overheadMs = 20.0
    /// Tokens that a replica's cache holds, to start from: better too many than too few. At least 1.
    public var cacheTokens = 16_000_000
    /// Bytes of prompt per token, to start from. Above 0.
    public var bytesPerToken = 4.0
    /// Whether replicas compute prompts one after the other, to start from. Prompts are held back only where they do.
    public var startsInLine = false
    /// Streams that a replica works on at a time; further ones wait in it. Zero: as many as come.
    public var slots = 0
    /// The price of work, as a multiple of the work, when nobody waits: it may delay who comes next. And how much more it
    /// is for each prompt that waits, per replica. Both of a small fleet: see `price`.
    public var priceIdle = 2.0
    public var pricePerWaiting = 1.0
    /// How much less a cached block counts in the price for each new prompt that branched off at it lately, per replica
    /// that has it.
    public var sharingDiscount = 0.3
    /// Longest time that a prompt is held back while the replica that is best for it is busy, in milliseconds. Zero
    /// holds none.
    public var maxWaitMs = 2_000
    /// Unstarted work below which a replica takes the next held prompt, in milliseconds.
    public var dispatchAheadMs = 50.0
    /// Seconds of waiting that outweigh one second of own work in the order of the held prompts: the larger, the more
    /// shortest-first.
    public var waitPerWork = 6.0

    public init() {}

    /// What others pay for a second of work, in seconds, while `waiting` prompts per replica wait. The larger the fleet
    /// is, the more often another replica is free for whoever comes next. Measured on made-up traffic, with other seeds
    /// than those of the figures: a higher price saves work where it is scarce for long, and costs time where a fleet
    /// has just begun.
    public func price(waiting: Double, replicas: Int) -> Double {
        let idle = min(1, Self.smallFleet / Double(max(1, replicas)))
        let busy = min(1, Self.mediumFleet / Double(max(1, replicas)))
        return self.priceIdle * idle * idle * idle * idle + self.pricePerWaiting * busy * busy.squareRoot() * waiting
    }

    /// Longest time that a prompt is held back, as a multiple of the time until its first token if it were sent at once:
    /// what holding may cost at worst. Measured, as the price is: in a small fleet a replica is worth to be waited for;
    /// in a large one another is free, and who comes next sees a prompt in a cache only once it was sent.
    public func patience(replicas: Int) -> Double {
        let share = Self.largeFleet / Double(max(1, replicas))
        return 0.15 * share * share * share
    }

    private static let smallFleet = 8.0
    private static let mediumFleet = 16.0
    private static let largeFleet = 32.0
}
