/// What the replicas were sent in the last minutes, as `/api/history` shows it.
package struct TrafficHistory: Sendable, Equatable, Codable {
    /// One replica in one interval. A replica that was sent nothing and answered nothing is left out.
    package struct Share: Sendable, Equatable, Codable {
        package var cluster: String
        package var replica: String
        /// Streams that it was picked for.
        package var picks: Int
        /// Those with a prompt.
        package var prompts: Int
        /// Those of which it was believed to hold a part.
        package var hits: Int
        package var promptBytes: Int
        package var matchedBytes: Int
        /// First messages of streamed answers to prompts.
        package var firstResponses: Int
        /// Their mean time since the pick, in milliseconds; nil when there was none.
        package var firstResponseMs: Double?

        package init(
            cluster: String, replica: String, picks: Int, prompts: Int, hits: Int, promptBytes: Int,
            matchedBytes: Int, firstResponses: Int, firstResponseMs: Double?
        ) {
            self.cluster = cluster
            self.replica = replica
            self.picks = picks
            self.prompts = prompts
            self.hits = hits
            self.promptBytes = promptBytes
            self.matchedBytes = matchedBytes
            self.firstResponses = firstResponses
            self.firstResponseMs = firstResponseMs
        }

        private enum CodingKeys: String, CodingKey {
            case cluster, replica, picks, prompts, hits
            case promptBytes = "prompt_bytes"
            case matchedBytes = "matched_bytes"
            case firstResponses = "first_responses"
            case firstResponseMs = "first_response_ms"
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.cluster, forKey: .cluster)
            try container.encode(self.replica, forKey: .replica)
            try container.encode(self.picks, forKey: .picks)
            try container.encode(self.prompts, forKey: .prompts)
            try container.encode(self.hits, forKey: .hits)
            try container.encode(self.promptBytes, forKey: .promptBytes)
            try container.encode(self.matchedBytes, forKey: .matchedBytes)
            try container.encode(self.firstResponses, forKey: .firstResponses)
            try container.encode(self.firstResponseMs, forKey: .firstResponseMs)
        }
    }

    /// One interval.
    package struct Point: Sendable, Equatable, Codable {
        /// Its end, in milliseconds since 1970-01-01 UTC.
        package var unixMs: Int
        package var replicas: [Share]

        package init(unixMs: Int, replicas: [Share]) {
            self.unixMs = unixMs
            self.replicas = replicas
        }

        private enum CodingKeys: String, CodingKey {
            case replicas
            case unixMs = "unix_ms"
        }
    }

    package var intervalMs: Int
    /// The oldest first; the last one is complete.
    package var points: [Point]

    package init(intervalMs: Int, points: [Point]) {
        self.intervalMs = intervalMs
        self.points = points
    }

    private enum CodingKeys: String, CodingKey {
        case points
        case intervalMs = "interval_ms"
    }
}
