package import Transport

/// Where a cluster's replicas come from besides its own list. Configuration section `clusters[].discovery[]`.
///
/// The data path has no use for it: the program makes a source of it, and hands the cluster what that finds. Keys of
/// other types than its own keep their defaults. Times are in milliseconds.
package struct DiscoverySettings: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// All addresses of a name.
        case dns
        /// The targets of a service's SRV records.
        case srv
        /// A file that is watched.
        case file
        /// LocalAI's registry in PostgreSQL.
        case localai
    }

    package enum Family: String, Sendable, CaseIterable {
        case all
        case ipv4
        case ipv6
    }

    /// Where a password comes from. It is read again for every connection.
    package enum PasswordOrigin: Sendable, Equatable {
        /// Name of an environment variable.
        case environment(String)
        /// Path of a file.
        case file(String)
    }

    /// Nil until it has been read.
    package var kind: Kind?
    /// Names the source among those of its cluster. Nil: by its type.
    package var name: String?

    // MARK: dns, srv

    /// dns: the name, and the port of every replica.
    package var address: Endpoint?
    /// srv: the name of the service.
    package var service = ""
    package var family = Family.all
    /// None means those of the system.
    package var nameservers: [Endpoint] = []
    package var minIntervalMs = 5_000
    package var maxIntervalMs = 30_000
    /// For one round of questions.
    package var timeoutMs = 5_000

    // MARK: file

    package var path = ""
    package var lookIntervalMs = 1_000

    // MARK: localai

    /// As libpq takes it, without a password.
    package var database = ""
    package var password: PasswordOrigin?
    /// Empty means those of the cluster.
    package var models: [String] = []
    package var queryIntervalMs = 5_000
    package var connectTimeoutMs = 3_000
    package var queryTimeoutMs = 3_000

    // MARK: dns, srv, localai

    /// Empty answers in a row that empty the list. 0: it is never emptied.
    package var emptyAfter = 3

    package init() {}

    /// What it is called in metrics, logs and the API.
    package var label: String { self.name ?? self.kind?.rawValue ?? "" }
}
