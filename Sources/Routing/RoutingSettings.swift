/// How a cluster picks a replica for a stream. Configuration section `clusters[].routing`.
package struct RoutingSettings: Sendable, Equatable {
    /// Who chooses the replica of a stream.
    package var policy = PolicyName.prefixCache
    /// Size of one prompt block in bytes; the last block of a prompt may be shorter. At least 1.
    package var blockBytes = 256
    /// Most blocks of one prompt that are looked at: the rest of a longer prompt does not take part. At least 1.
    package var maxBlocks = 64
    /// How long a served prefix is believed to be in a replica's cache. Zero means for ever.
    package var prefixTtlMs = 300_000
    /// Most prefix blocks that one cluster remembers; past it the least recently used go first. At least 1.
    package var maxIndexBlocks = 1_000_000
    /// Smallest matched share of a prompt that counts as warm, 0 to 1; equality counts.
    package var minPrefixMatch = 0.3
    /// A replica is too busy when it has more than this many streams above the least busy one. At least 0.
    package var balanceAbsolute = 2
    /// A replica is too busy when it has more than this times the least busy one's streams, plus one. At least 1.
    package var balanceRelative = 1.5

    package init() {}
}

/// The policies that a cluster may name in its configuration.
package enum PolicyName: String, Sendable, CaseIterable {
    /// Each replica in turn.
    case roundRobin = "round_robin"
    /// Fewest streams in flight, then the one picked longest ago, then the heaviest weight.
    case leastInFlight = "least_in_flight"
    /// LocalAI's `Select`: the replica that served the longest part of this prompt, unless it is too busy.
    case prefixCache = "prefix_cache"

    /// Whether the choice depends on the prompt. Without that, reading it only serves to tell how much was matched.
    package var readsPrompts: Bool {
        switch self {
        case .roundRobin, .leastInFlight: false
        case .prefixCache: true
        }
    }
}
