import Config
import Proxy
import Routing
import Upstream

// How the settings of the libraries are written in the file. The structs live beside their users, which know nothing of
// files; their keys, bounds and manual entries stand here.

/// Bounds of a time in milliseconds: up to a day, from zero where zero has a meaning.
private let upToADay = 0...86_400_000
private let someTime = 1...86_400_000

extension RoutingSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "policy", &self.policy, .oneOf,
            "Who chooses the replica of a stream. round_robin: each in turn. least_in_flight: the one with the fewest "
                + "streams. power_of_two: the emptier of two chosen at random. consistent_hash: by the head of the "
                + "prompt alone, with a bound on load. prefix_cache: the one that served the longest part of this prompt, "
                + "unless it is too busy. expected_ttft: where the first token is expected soonest, counting what the "
                + "choice costs others.")
        section.value(
            "chain", &self.chain, .oneOf,
            "How prompts are compared. own: as a whole, with everything that shapes the cache, by message. compatible: "
                + "as LocalAI does, block for block.")
        section.value(
            "max_prompt_bytes", &self.maxPromptBytes, .int(in: 1...1_073_741_824),
            "Most bytes of a prompt that are looked at with chain own.")
        section.value(
            "block_bytes", &self.blockBytes, .int(in: 1...1_048_576),
            "Size of one block of a prompt; prompts are compared block by block. LocalAI uses 256.")
        section.value(
            "max_blocks", &self.maxBlocks, .int(in: 1...65_536),
            "Most blocks of one prompt that are looked at; the rest of a longer prompt does not take part.")
        section.value(
            "prefix_ttl_ms", &self.prefixTtlMs, .int(in: upToADay),
            "How long a served prefix is believed to be in a replica's cache. 0 means for ever.")
        section.value(
            "max_index_blocks", &self.maxIndexBlocks, .int(in: 1...100_000_000),
            "Most prefix blocks that the cluster remembers; past it the least recently used go first.")
        section.value(
            "min_prefix_match", &self.minPrefixMatch, .double(in: 0...1),
            "Smallest matched share of a prompt that makes a replica the warm one.")
        section.value(
            "balance_absolute", &self.balanceAbsolute, .int(in: 0...1_000_000),
            "The warm replica is too busy when it has more than this many streams above the least busy one.")
        section.value(
            "balance_relative", &self.balanceRelative, .double(in: 1...1_000_000),
            "The warm replica is too busy when it has more than this times the streams of the least busy one, plus one."
        )
        section.value(
            "hash_head_bytes", &self.hashHeadBytes, .int(in: 1...1_048_576),
            "Leading bytes of a prompt that consistent_hash goes by.")
        section.value(
            "hash_load_bound", &self.hashLoadBound, .double(in: 1...1_000),
            "consistent_hash passes a replica over that has this many times the average number of streams.")
        section.value(
            "slots", &self.expectedTTFT.slots, .int(in: 0...1_000_000),
            "Streams that a replica works on at a time, for expected_ttft; further ones wait in it. 0 means as many as "
                + "come.")
        section.value(
            "max_wait_ms", &self.expectedTTFT.maxWaitMs, .int(in: upToADay),
            "Longest time that expected_ttft holds a prompt in the proxy because the replica that is best for it is busy. "
                + "0 holds none.")
        section.value(
            "start_in_line", &self.expectedTTFT.startsInLine, .bool,
            "Whether replicas compute prompts one after the other, as expected_ttft believes before it has seen any. It "
                + "holds prompts only where they do.")
        section.value(
            "slow_start_ms", &self.slowStartMs, .int(in: upToADay),
            "Time over which a replica that comes back grows from a tenth of its fair share of new streams to all of it. 0 "
                + "gives it everything at once.")
        section.value(
            "start_prefill_tokens_per_second", &self.expectedTTFT.prefillTokensPerSecond, .double(in: 1...10_000_000),
            "Prompt tokens that a replica computes per second, as expected_ttft believes before it has seen any.")
        section.value(
            "start_cache_tokens", &self.expectedTTFT.cacheTokens, .int(in: 1...1_000_000_000),
            "Tokens that a replica's cache holds, as expected_ttft believes before it has seen any. Too many is better "
                + "than too few.")
    }
}

extension ProbeSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "protocol", &self.probeProtocol, .oneOf,
            "What a probe asks. native: the worker protocol's Health. grpc_health: grpc.health.v1, for workers that serve it."
        )
        section.value(
            "fresh_for_ms", &self.freshForMs, .int(in: upToADay),
            "How long a replica that answered a probe or a call is believed to be alive without being asked. Any failure of "
                + "a connection ends that at once.")
        section.value(
            "interval_ms", &self.intervalMs, .int(in: someTime), "Time between two probes of a healthy replica.")
        section.value(
            "jitter_share", &self.jitterShare, .double(in: 0...1),
            "Each interval is made longer or shorter by up to this share, at random, so that probes spread out."
        )
        section.value(
            "deadline_ms", &self.deadlineMs, .int(in: someTime),
            "How long a probe waits for its answer. A later answer means busy, not dead.")
        section.value(
            "failures_to_eject", &self.failuresToEject, .int(in: 1...1_000),
            "Unreachable results in a row that take a replica out. A refused connect takes it out at once.")
        section.value(
            "retry_ms", &self.retryMs, .int(in: someTime),
            "Time between two probes of a replica that is out or suspect.")
        section.value(
            "successes_to_return", &self.successesToReturn, .int(in: 1...1_000),
            "Successes in a row that bring a replica back.")
    }
}

extension OutlierSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "consecutive_failures", &self.consecutiveFailures, .int(in: 0...1_000_000),
            "Failures in a row (a lost or silent connection, a stream that was reset, an answer that is no gRPC) that eject "
                + "a replica. 0: none do.")
        section.value(
            "error_share", &self.errorShare, .double(in: 0...2),
            "Share of a replica's streams that must have failed, or ended with INTERNAL, UNKNOWN, UNAVAILABLE or DATA_LOSS, "
                + "to eject it; and three times the share of the others. Above 1: never.")
        section.value(
            "latency_factor", &self.latencyFactor, .double(in: 0...1_000),
            "A replica whose median first response of a stream takes this many times that of the others is ejected. 0: "
                + "none is.")
        section.value(
            "latency_excess_ms", &self.latencyExcessMs, .int(in: upToADay),
            "And takes at least this much longer than theirs.")
        section.value(
            "window_ms", &self.windowMs, .int(in: 1_000...86_400_000), "How far back shares and medians look.")
        section.value(
            "min_streams", &self.minStreams, .int(in: 1...1_000_000),
            "Streams in the window below which nothing is concluded about a replica.")
        section.value(
            "base_ejection_ms", &self.baseEjectionMs, .int(in: someTime),
            "How long the first ejection lasts; the n-th in a row lasts n times as long, and up to a fifth more at random. "
                + "Then one stream at a time shows whether it is over.")
        section.value(
            "max_ejection_ms", &self.maxEjectionMs, .int(in: someTime), "The longest ejection.")
        section.value(
            "max_ejected_share", &self.maxEjectedShare, .double(in: 0...1),
            "Share of the replicas that may be out, for whatever reason, when one is ejected. When more are out, ejections "
                + "are not heeded.")
    }
}

extension StallSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "stall_after_ms", &self.stallAfterMs, .int(in: upToADay),
            "How long a connection on which streams wait may be silent. After half of it one PING is sent; without an answer "
                + "by its end the streams go elsewhere, where that does no harm. 0: for ever.")
        section.value(
            "give_up_after_ms", &self.giveUpAfterMs, .int(in: upToADay),
            "How long it may stay silent before it is cut, with what was being answered on it. 0: for ever.")
        section.value(
            "expected_factor", &self.expectedFactor, .double(in: 0...1_000_000),
            "A stream leaves a replica that answers PINGs and nothing else when it has waited this many times as long as "
                + "expected_ttft expected. 0: never.")
        section.value(
            "patience_ms", &self.patienceMs, .int(in: someTime), "And at least this long.")
    }
}

extension PoolSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "per_loop", &self.perLoop, .int(in: 1...64),
            "Connections that every event loop keeps to a replica when it has streams for them.")
        section.value(
            "connect_timeout_ms", &self.connectTimeoutMs, .int(in: someTime), "How long a connect may take.")
        section.value(
            "settings_timeout_ms", &self.settingsTimeoutMs, .int(in: upToADay),
            "How long a replica may take to acknowledge our HTTP/2 settings on a new connection; then the connection is "
                + "given up. Longer than for callers, since a worker that computes may be late. 0 means for ever.")
        section.value(
            "max_retries", &self.maxRetries, .int(in: 0...100),
            "How many other replicas a stream may be sent to after a failure before its first response byte.")
        section.value(
            "retry_budget_share", &self.retryBudgetShare, .double(in: 0...1),
            "Retries that traffic earns: this share of all streams, so that a failing fleet is not asked everything "
                + "several times.")
        section.value(
            "retry_budget_reserve", &self.retryBudgetReserve, .int(in: 0...1_000_000),
            "Retries that are allowed at once before traffic has earned more, as when a replica with many streams dies."
        )
    }
}

extension ModelSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "free_action", &self.freeAction, .oneOf,
            "What a caller's Free does. answer: success, and the replicas keep their model. forward: it goes to every "
                + "replica, and the remembered load options are dropped. unload_all: as forward, but each replica finishes its "
                + "streams first, and what one says against it is reported.")
        section.value(
            "success_rule", &self.successRule, .oneOf,
            "When a LoadModel has succeeded: when any replica holds the model, a quorum of them, or all.")
        section.value(
            "retry_ms", &self.retryMs, .int(in: upToADay),
            "A replica that failed to load is not asked for the same again for this long, doubled with each failure; who "
                + "asks meanwhile hears of the last failure.")
        section.value("retry_max_ms", &self.retryMaxMs, .int(in: upToADay), "The longest such pause.")
        section.value(
            "state_file", &self.stateFile, .string(atMost: 4_096, emptyAllowed: true),
            "File that keeps the options of the last LoadModel across restarts of the proxy. Only its owner may read it. "
                + "Empty keeps them nowhere.")
        section.value(
            "load_timeout_ms", &self.loadTimeoutMs, .int(in: upToADay),
            "How long one replica may take to load its model. 0 means as long as it needs.")
        section.value(
            "drain_timeout_ms", &self.drainTimeoutMs, .int(in: upToADay),
            "How long streams on a replica are waited for before it loads; after that the load is reported failed.")
    }
}

extension StoresSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "writes", &self.writes, .oneOf,
            "Where StoresSet and StoresDelete go: a store lives in one worker's memory. primary: to one replica, always the "
                + "same, which answers the reads as well. all: to every replica, one write after the other; any of them "
                + "answers reads.")
    }
}

extension ProxySettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "max_held_bytes", &self.maxHeldBytes, .int(in: 0...1_073_741_824),
            "Most bytes of a stream's first message that are held to find its prompt; a larger message goes on without."
        )
        section.value(
            "max_concurrent_streams", &self.maxConcurrentStreams, .int(in: 1...1_000_000),
            "Streams that one connection of a caller may have open at a time; one more is refused.")
        section.value(
            "max_total_held_bytes", &self.maxTotalHeldBytes, .int(in: 0...1_099_511_627_776),
            "Most bytes that all streams together hold to find their prompts; past it a stream goes on without.")
        section.value(
            "max_connections", &self.maxConnections, .int(in: 1...1_000_000),
            "Connections of callers, shared out evenly over the threads; those in their TLS handshake count. Past it the "
                + "one that has been without streams for longest is closed for a new one; when all are in use, the new "
                + "one is.")
        section.value(
            "max_header_list_bytes", &self.maxHeaderListBytes, .int(in: 4_096...1_048_576),
            "Bytes of a request's headers, with 32 for each. A larger list is answered with RESOURCE_EXHAUSTED or 431; a "
                + "single name or value above 65,536 bytes ends its connection, whatever this says.")
        section.value(
            "max_resets_per_second", &self.maxResetsPerSecond, .int(in: 1...1_000_000),
            "Streams per second that one connection may reset, ten seconds' worth at once; then it is closed.")
        section.value(
            "max_empty_frames_per_second", &self.maxEmptyFramesPerSecond, .int(in: 10...1_000_000),
            "Frames per second that one connection may send without content, ten seconds' worth at once, a tenth of "
                + "that for SETTINGS and for PING; then it is closed. Every answer that is sent allows a few more.")
        section.value(
            "handshake_timeout_ms", &self.handshakeTimeoutMs, .int(in: upToADay),
            "How long a caller may take to begin to speak HTTP/2, and for a frame or a header list that it has begun. 0 "
                + "means for ever.")
        section.value(
            "settings_timeout_ms", &self.settingsTimeoutMs, .int(in: upToADay),
            "How long a caller may take to acknowledge our HTTP/2 settings; then its connection is ended with "
                + "SETTINGS_TIMEOUT. 0 means for ever.")
        section.value(
            "first_message_timeout_ms", &self.firstMessageTimeoutMs, .int(in: upToADay),
            "How long a stream may take for its first message while it is waited for to find its prompt; then it is "
                + "answered with DEADLINE_EXCEEDED. Streams with a deadline are left to it. 0 means for ever.")
        section.value(
            "idle_timeout_ms", &self.idleTimeoutMs, .int(in: upToADay),
            "How long a connection of a caller may be without streams. 0 means for ever.")
        section.value(
            "stream_idle_timeout_ms", &self.streamIdleTimeoutMs, .int(in: upToADay),
            "How long a stream may be without progress in either direction before it is ended with ABORTED. Streams with "
                + "a deadline are left to it. 0 means for ever.")
        section.value(
            "stalled_reader_timeout_ms", &self.stalledReaderTimeoutMs, .int(in: upToADay),
            "How long a caller may leave an answer unread before its stream is reset. 0 means for ever.")
        section.value(
            "drain_timeout_ms", &self.drainTimeoutMs, .int(in: upToADay),
            "How long open streams may go on after SIGTERM.")
        section.value(
            "model_metadata_key", &self.modelMetadataKey, .string(atMost: 128, emptyAllowed: true),
            "Request metadata whose value says which model is meant, before the ModelIdentity that some requests carry. "
                + "Empty means none.")
        section.value(
            "explain", &self.explain, .oneOf,
            "Who is told which replica served a stream and why, in x-homing-replica and x-homing-reason metadata of "
                + "the response. on_request: callers that send x-homing-explain: 1.")
        section.value(
            "make_request_ids", &self.makeRequestIDs, .bool,
            "Whether a call without x-request-id metadata gets one on its way to a replica, which the access log then has "
                + "too. One that the caller sends is passed on as it is.")
    }
}
