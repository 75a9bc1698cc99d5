/// How a cluster picks a replica for a stream. Configuration section `clusters[].routing`.
public struct RoutingSettings: Sendable, Equatable {
    /// Who chooses the replica of a stream.
    public var policy = PolicyName.expectedTTFT
    /// How prompts become chains.
    public var chain = ChainMode.own
    /// Most bytes of one prompt that are looked at in the own chain mode. At least 1.
    public var maxPromptBytes = 1_048_576
    /// Size of one prompt block in bytes in the compatible chain mode; the last block of a prompt may be shorter.
    /// At least 1.
    public var blockBytes = 256
    /// Most blocks of one prompt that are looked at in the compatible chain mode: the rest of a longer prompt does not
    /// take part. At least 1.
    public var maxBlocks = 64
    /// How long a served prefix is believed to be in a replica's cache. Zero means for ever.
    public var prefixTtlMs = 300_000
    /// Most prefix blocks that one cluster remembers; past it the least recently used go first. At least 1.
    public var maxIndexBlocks = 1_000_000
    /// Smallest matched share of a prompt that counts as warm, 0 to 1; equality counts.
    public var minPrefixMatch = 0.3
    /// A replica is too busy when it has more than this many streams above the least busy one. At least 0.
    public var balanceAbsolute = 2
    /// A replica is too busy when it has more than this times the least busy one's streams, plus one. At least 1.
    public var balanceRelative = 1.5
    /// Leading bytes of the prompt that `consistent_hash` goes by. At least 1.
    public var hashHeadBytes = 2_048
    /// Times the average number of streams that a replica may have before `consistent_hash` passes it over. At least 1.
    public var hashLoadBound = 1.25
    public var expectedTTFT = ExpectedTTFTSettings()
    public var admission = AdmissionSettings()
    /// Time over which a replica that comes back grows from a tenth of its fair share of new streams to all of it. Zero
    /// gives it everything at once.
    public var slowStartMs = 2_000
    /// Where the random choices of a table begin: equal seeds make equal choices.
    public var seed: UInt64 = 0

    public init() {}
}

/// The policies that a cluster may name in its configuration.
public enum PolicyName: String, Sendable, CaseIterable {
    /// Each replica in turn.
    case roundRobin = "round_robin"
    /// Fewest streams in flight, then the one picked longest ago, then the heaviest weight.
    case leastInFlight = "least_in_flight"
    /// The emptier of two replicas chosen at random.
    case powerOfTwo = "power_of_two"
    /// By the head of the prompt alone, with a bound on load: proxies that share nothing choose alike.
    case consistentHash = "consistent_hash"
    /// LocalAI's `Select`: the replica that served the longest part of this prompt, unless it is too busy.
    case prefixCache = "prefix_cache"
    /// Where the first token is expected soonest, counting what the choice costs others. Learns everything it needs.
    case expectedTTFT = "expected_ttft"

    /// Whether the choice depends on the prompt. Without that, reading it only serves to tell how much was matched.
    public var readsPrompts: Bool {
        switch self {
        case .roundRobin, .leastInFlight, .powerOfTwo: false
        case .consistentHash, .prefixCache, .expectedTTFT: true
        }
    }
}

/// How a prompt becomes a chain of blocks.
public enum ChainMode: String, Sendable, CaseIterable {
    /// Bit for bit LocalAI's chain: blocks of `block_bytes`, and only the text that LocalAI looks at.
    case compatible
    /// The whole prompt with all that shapes the cache, cut at the ends of messages, blocks growing with the depth.
    case own
}
