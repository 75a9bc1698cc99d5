public import Transport

/// Where a cluster's replicas come from besides its own list. Configuration section `clusters[].discovery[]`.
///
/// The data path has no use for it: the program makes a source of it, and hands the cluster what that finds. Keys of
/// other types than its own keep their defaults. Times are in milliseconds.
public struct DiscoverySettings: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// All addresses of a name.
        case dns
        /// The targets of a service's SRV records.
        case srv
        /// A file that is watched.
        case file
        /// LocalAI's registry in PostgreSQL.
        case localai
    }

    public enum Family: String, Sendable, CaseIterable {
        case all
        case ipv4
        case ipv6
    }

    /// Where a password comes from. It is read again for every connection.
    public enum PasswordOrigin: Sendable, Equatable {
        /// Name of an environment variable.
        case environment(String)
        /// Path of a file.
        case file(String)
    }

    /// Nil until it has been read.
    public var kind: Kind?
    /// Names the source among those of its cluster. Nil: by its type.
    public var name: String?

    // MARK: dns, srv

    /// dns: the name, and the port of every replica.
    public var address: Endpoint?
    /// srv: the name of the service.
    public var service = ""
    public var family = Family.all
    /// None means those of the system.
    public var nameservers: [Endpoint] = []
    public var minIntervalMs = 5_000
    public var maxIntervalMs = 30_000
    /// For one round of questions.
    public var timeoutMs = 5_000

    // MARK: file

    public var path = ""
    public var lookIntervalMs = 1_000

    // MARK: localai

    /// As libpq takes it, without a password.
    public var database = ""
    public var password: PasswordOrigin?
    /// Empty means those of the cluster.
    public var models: [String] = []
    public var queryIntervalMs = 5_000
    public var connectTimeoutMs = 3_000
    public var queryTimeoutMs = 3_000

    // MARK: dns, srv, localai

    /// Empty answers in a row that empty the list. 0: it is never emptied.
    public var emptyAfter = 3

    public init() {}

    /// What it is called in metrics, logs and the API.
    public var label: String { self.name ?? self.kind?.rawValue ?? "" }
}
