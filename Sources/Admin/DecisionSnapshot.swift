/// One pick, as `/api/decisions` shows it: where a stream went and why. Nothing of its prompt but the length. What is
/// not known is `null` there, never left out.
package struct DecisionSnapshot: Sendable, Equatable, Codable {
    /// One of those that could have been picked.
    package struct Candidate: Sendable, Equatable, Codable {
        package var replica: String
        /// Streams on it before the pick.
        package var inFlight: Int
        /// Share of the prompt that it was believed to hold, 0 to 1; nil for a stream without a prompt.
        package var matchedShare: Double?

        package init(replica: String, inFlight: Int, matchedShare: Double?) {
            self.replica = replica
            self.inFlight = inFlight
            self.matchedShare = matchedShare
        }

        private enum CodingKeys: String, CodingKey {
            case replica
            case inFlight = "in_flight"
            case matchedShare = "matched_share"
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.replica, forKey: .replica)
            try container.encode(self.inFlight, forKey: .inFlight)
            try container.encode(self.matchedShare, forKey: .matchedShare)
        }
    }

    /// Names the pick in this process.
    package var id: String
    /// When, in milliseconds since 1970-01-01 UTC.
    package var unixMs: Int
    package var cluster: String
    /// Name of the method, `other` when it is not the protocol's.
    package var method: String
    package var replica: String
    /// As in the `reason` label of `homing_picks_total`.
    package var reason: String
    /// A replica that held more of the prompt was left out because it was too busy.
    package var diverted: Bool
    /// Replicas that the stream was given to before.
    package var retries: Int
    /// Bytes of the prompt that took part; zero for a stream without one.
    package var promptBytes: Int
    /// Those at its head that the replica was believed to hold.
    package var matchedBytes: Int
    /// Their share, 0 to 1; nil for a stream without a prompt.
    package var matchedShare: Double?
    /// Time to the first response that was expected, in milliseconds; nil when the policy expects nothing.
    package var expectedMs: Double?
    /// From the pick to the first message of the answer, in milliseconds; nil while there is none.
    package var observedMs: Double?
    /// Candidates that there were; at most 8 of them are listed.
    package var candidateCount: Int
    package var candidates: [Candidate]

    package init(
        id: String, unixMs: Int, cluster: String, method: String, replica: String, reason: String, diverted: Bool,
        retries: Int, promptBytes: Int, matchedBytes: Int, matchedShare: Double?, expectedMs: Double?,
        observedMs: Double?, candidateCount: Int, candidates: [Candidate]
    ) {
        self.id = id
        self.unixMs = unixMs
        self.cluster = cluster
        self.method = method
        self.replica = replica
        self.reason = reason
        self.diverted = diverted
        self.retries = retries
        self.promptBytes = promptBytes
        self.matchedBytes = matchedBytes
        self.matchedShare = matchedShare
        self.expectedMs = expectedMs
        self.observedMs = observedMs
        self.candidateCount = candidateCount
        self.candidates = candidates
    }

    private enum CodingKeys: String, CodingKey {
        case id, cluster, method, replica, reason, diverted, retries, candidates
        case unixMs = "unix_ms"
        case promptBytes = "prompt_bytes"
        case matchedBytes = "matched_bytes"
        case matchedShare = "matched_share"
        case expectedMs = "expected_ms"
        case observedMs = "observed_ms"
        case candidateCount = "candidate_count"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.id, forKey: .id)
        try container.encode(self.unixMs, forKey: .unixMs)
        try container.encode(self.cluster, forKey: .cluster)
        try container.encode(self.method, forKey: .method)
        try container.encode(self.replica, forKey: .replica)
        try container.encode(self.reason, forKey: .reason)
        try container.encode(self.diverted, forKey: .diverted)
        try container.encode(self.retries, forKey: .retries)
        try container.encode(self.promptBytes, forKey: .promptBytes)
        try container.encode(self.matchedBytes, forKey: .matchedBytes)
        // Written by hand for what may be nil: a synthesized one leaves nil out, and a reader then guesses.
        try container.encode(self.matchedShare, forKey: .matchedShare)
        try container.encode(self.expectedMs, forKey: .expectedMs)
        try container.encode(self.observedMs, forKey: .observedMs)
        try container.encode(self.candidateCount, forKey: .candidateCount)
        try container.encode(self.candidates, forKey: .candidates)
    }
}

/// The body of `/api/decisions`: the newest first.
package struct DecisionList: Sendable, Equatable, Codable {
    package var decisions: [DecisionSnapshot]

    package init(decisions: [DecisionSnapshot]) { self.decisions = decisions }
}
