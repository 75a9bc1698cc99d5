/// What came of reading the settings again: the body of the answer to `POST /api/reload`.
package struct ReloadReport: Sendable, Equatable, Codable {
    package enum Result: String, Sendable, Codable, CaseIterable {
        /// New settings are in use.
        case success
        /// The settings have problems: the old ones stay, every one of them.
        case failure
        /// The settings say what they said before.
        case unchanged
    }

    /// One thing that is wrong with the settings.
    package struct Problem: Sendable, Equatable, Codable {
        /// The key, as in `clusters[0].routing.policy`; empty for the file as a whole.
        package var path: String
        /// Nil where it is not about a line of the file.
        package var line: Int?
        package var text: String

        package init(path: String, line: Int?, text: String) {
            self.path = path
            self.line = line
            self.text = text
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.path, forKey: .path)
            try container.encode(self.line, forKey: .line)
            try container.encode(self.text, forKey: .text)
        }
    }

    /// What became of the replicas of one cluster, by name.
    package struct Replicas: Sendable, Equatable, Codable {
        package var cluster: String
        package var added: [String]
        package var removed: [String]
        package var reweighted: [String]
        /// Those that the settings name no more, and somebody else does.
        package var kept: [String]
        /// Those that the settings name, and an operator has taken out.
        package var dismissed: [String]

        package init(
            cluster: String, added: [String], removed: [String], reweighted: [String], kept: [String],
            dismissed: [String]
        ) {
            self.cluster = cluster
            self.added = added
            self.removed = removed
            self.reweighted = reweighted
            self.kept = kept
            self.dismissed = dismissed
        }
    }

    package var result: Result
    /// The settings that are in use now.
    package var generation: Int
    /// Keys whose new value is in use.
    package var changed: [String]
    /// Keys whose new value is not in use before a restart.
    package var restartRequired: [String]
    package var replicas: [Replicas]
    package var problems: [Problem]
    /// `settings_have_problems` after a failure, as every answer of 400 and above has one; nil otherwise.
    package var error: String?

    package init(
        result: Result, generation: Int, changed: [String] = [], restartRequired: [String] = [],
        replicas: [Replicas] = [], problems: [Problem] = []
    ) {
        self.result = result
        self.generation = generation
        self.changed = changed
        self.restartRequired = restartRequired
        self.replicas = replicas
        self.problems = problems
        self.error = result == .failure ? "settings_have_problems" : nil
    }

    private enum CodingKeys: String, CodingKey {
        case result, generation, changed, replicas, problems, error
        case restartRequired = "restart_required"
    }
}
