/// LocalAI's own registry: the loaded replicas of some models on healthy nodes, read from its PostgreSQL tables. Nothing is
/// ever written there.
package struct LocalAILookup: ReplicaLookup {
    private let database: String
    private let models: [String]
    private let password: @Sendable () throws(DiscoveryFailure) -> String?
    private let connectTimeoutMs: Int
    private let queryTimeoutMs: Int
    private let work = BlockingWork(label: "homing.discovery.localai")

    package let subject: String

    /// - Parameters:
    ///   - database: as libpq takes it: `postgresql://user@host:5432/localai`. Without a password.
    ///   - models: LocalAI's names of the models, any of which is served.
    ///   - password: asked before every connect, so that it may be changed. Nil: as libpq finds one.
    ///   - connectTimeoutMs: how long connecting and logging in may take, for each host of the address; at least 1.
    ///   - queryTimeoutMs: the same for the query, there and back.
    package init(
        database: String, models: [String], connectTimeoutMs: Int, queryTimeoutMs: Int,
        password: @escaping @Sendable () throws(DiscoveryFailure) -> String?
    ) {
        self.database = database
        self.models = models
        self.connectTimeoutMs = max(1, connectTimeoutMs)
        self.queryTimeoutMs = max(1, queryTimeoutMs)
        self.password = password
        self.subject = "localai \(models.joined(separator: ","))"
    }

    /// Why `text` is no address of a database, or holds what does not belong into a file; nil when it is one.
    package static func problem(inDatabase text: String) -> String? { PostgresConnection.problem(in: text) }

    package func look() async throws(DiscoveryFailure) -> LookupAnswer {
        let password = try self.password()
        let outcome = await self.work.run { () -> Result<LookupAnswer, DiscoveryFailure> in
            do throws(PostgresFailure) {
                return .success(try self.ask(password))
            } catch {
                return .failure(DiscoveryFailure(error.text))
            }
        }
        return try (outcome ?? .failure(DiscoveryFailure("cancelled"))).get()
    }

    private func ask(_ password: String?) throws(PostgresFailure) -> LookupAnswer {
        let connection = try PostgresConnection.open(
            self.database, password: password, timeoutMs: self.connectTimeoutMs)
        let rows: [[String?]]
        do throws(PostgresFailure) {
            rows = try self.rows(of: Self.query, on: connection)
        } catch  where Self.missing.contains(error.sqlState ?? "") {
            // A LocalAI from before it counted the revisions of configurations.
            rows = try self.rows(of: Self.queryWithoutRevisions, on: connection)
        }
        return .replicas(rows.compactMap { $0.first ?? nil }.map { DiscoveredReplica(address: $0) }, ttlMs: nil)
    }

    private func rows(of query: String, on connection: PostgresConnection) throws(PostgresFailure) -> [[String?]] {
        // Nothing but a read can be done in it, whatever the rights of the user; a pooler in between is left as it was.
        try connection.run("BEGIN TRANSACTION READ ONLY", timeoutMs: self.queryTimeoutMs)
        do throws(PostgresFailure) {
            try connection.run(
                "SET LOCAL statement_timeout = \(self.queryTimeoutMs)", timeoutMs: self.queryTimeoutMs)
            // The server ends the query itself; the grace is for its way back.
            let rows = try connection.rows(
                query, [Self.array(self.models)], timeoutMs: self.queryTimeoutMs + Self.graceMs)
            try connection.run("COMMIT", timeoutMs: self.queryTimeoutMs)
            return rows
        } catch {
            try? connection.run("ROLLBACK", timeoutMs: Self.graceMs)
            throw error
        }
    }

    private static let graceMs = 500
    /// There is no such column, or no such table.
    private static let missing: Set<String> = ["42703", "42P01"]

    /// One more than a list may have, so that too many are noticed.
    private static let query = """
        SELECT DISTINCT COALESCE(NULLIF(nm.address, ''), n.address) AS address
        FROM node_models nm
        JOIN backend_nodes n ON n.id = nm.node_id
        LEFT JOIN model_config_states s ON s.model_name = nm.model_name
        WHERE nm.model_name = ANY($1::text[]) AND nm.state = 'loaded' AND n.status = 'healthy'
          AND (s.model_name IS NULL OR nm.config_revision = s.config_revision)
          AND COALESCE(NULLIF(nm.address, ''), n.address) <> ''
        ORDER BY address LIMIT \(SourceState.mostReplicas + 1)
        """

    private static let queryWithoutRevisions = """
        SELECT DISTINCT COALESCE(NULLIF(nm.address, ''), n.address) AS address
        FROM node_models nm
        JOIN backend_nodes n ON n.id = nm.node_id
        WHERE nm.model_name = ANY($1::text[]) AND nm.state = 'loaded' AND n.status = 'healthy'
          AND COALESCE(NULLIF(nm.address, ''), n.address) <> ''
        ORDER BY address LIMIT \(SourceState.mostReplicas + 1)
        """

    /// Texts as PostgreSQL writes an array of them.
    static func array(_ texts: [String]) -> String {
        let elements = texts.map { text in
            "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
        }
        return "{\(elements.joined(separator: ","))}"
    }
}
