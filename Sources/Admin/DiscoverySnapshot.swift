/// One source of a cluster's replicas at one instant, as `/api/discovery` shows it.
package struct DiscoverySnapshot: Sendable, Equatable, Codable {
    /// A replica in the list of a source.
    package struct Found: Sendable, Equatable, Codable {
        package var address: String
        package var weight: Int

        package init(address: String, weight: Int) {
            self.address = address
            self.weight = weight
        }
    }

    /// Looks since the start, by what came of them.
    package struct Refreshes: Sendable, Equatable, Codable {
        package var ok: Int
        package var empty: Int
        package var failed: Int

        package init(ok: Int, empty: Int, failed: Int) {
            self.ok = ok
            self.empty = empty
            self.failed = failed
        }
    }

    /// Name of its cluster.
    package var cluster: String
    /// Its name in that cluster.
    package var source: String
    /// As configured.
    package var type: String
    /// What it asks, without secrets.
    package var subject: String
    /// The list that it stands for, whatever became of the last look.
    package var replicas: [Found]
    /// When it was last answered, in milliseconds since 1970; nil before the first time.
    package var lastSuccessUnixMs: Int?
    /// Why the last look was of no use; nil when it was.
    package var problem: String?
    package var failuresInRow: Int
    /// Empty answers in a row.
    package var emptyInRow: Int
    package var refreshes: Refreshes

    package init(
        cluster: String, source: String, type: String, subject: String, replicas: [Found], lastSuccessUnixMs: Int?,
        problem: String?, failuresInRow: Int, emptyInRow: Int, refreshes: Refreshes
    ) {
        self.cluster = cluster
        self.source = source
        self.type = type
        self.subject = subject
        self.replicas = replicas
        self.lastSuccessUnixMs = lastSuccessUnixMs
        self.problem = problem
        self.failuresInRow = failuresInRow
        self.emptyInRow = emptyInRow
        self.refreshes = refreshes
    }

    private enum CodingKeys: String, CodingKey {
        case cluster, source, type, subject, replicas, problem, refreshes
        case lastSuccessUnixMs = "last_success_unix_ms"
        case failuresInRow = "failures_in_row"
        case emptyInRow = "empty_in_row"
    }

    /// Written by hand for what may be nil: a synthesized one leaves nil out, and a reader then guesses.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.cluster, forKey: .cluster)
        try container.encode(self.source, forKey: .source)
        try container.encode(self.type, forKey: .type)
        try container.encode(self.subject, forKey: .subject)
        try container.encode(self.replicas, forKey: .replicas)
        try container.encode(self.lastSuccessUnixMs, forKey: .lastSuccessUnixMs)
        try container.encode(self.problem, forKey: .problem)
        try container.encode(self.failuresInRow, forKey: .failuresInRow)
        try container.encode(self.emptyInRow, forKey: .emptyInRow)
        try container.encode(self.refreshes, forKey: .refreshes)
    }
}

/// The body of `/api/discovery`.
package struct DiscoveryList: Sendable, Equatable, Codable {
    package var sources: [DiscoverySnapshot]

    package init(sources: [DiscoverySnapshot]) {
        self.sources = sources
    }
}
