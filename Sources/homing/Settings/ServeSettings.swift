import Logging
import Proxy
import Transport
import Upstream
import Wire

/// Everything that `homing serve` is told, from its defaults, its file and its flags. An immutable value once it is in
/// use: a reload makes a new one with the next generation and replaces it whole.
struct ServeSettings: Sendable, Equatable {
    /// Counts the settings of this process, from 1. Not part of the file.
    var generation = 1
    /// Where callers connect. At least one.
    var listeners = [ListenerSettings(address: ServeSettings.defaultListener)]
    /// The operator's port.
    var admin = AdminSection()
    /// Event loops that serve streams. Zero means one per core.
    var threads = 0
    var proxy = ProxySettings()
    /// How another process takes our place.
    var upgrade = UpgradeSettings()
    var accessLog = AccessLogSettings()
    /// How often the configuration file is looked at for changes, in milliseconds. Zero: it is read again only when
    /// somebody asks.
    var reloadIntervalMs = 1_000
    /// The least important log messages that are written.
    var logLevel = Logger.Level.info
    var clusters: [ClusterSettings] = []
    /// Name of the cluster that gets what nothing sends elsewhere. Nil means the first one.
    var defaultCluster: String?

    /// A listener like those that there are, for another address: flags move listeners, and take no protection away.
    /// Nil when they differ in what protects them. Which cluster they are for is not kept.
    var commonListener: ListenerSettings? {
        guard var common = self.listeners.first else { return ListenerSettings(address: Self.defaultListener) }
        for other in self.listeners where other.tls != common.tls || other.auth != common.auth { return nil }
        common.cluster = nil
        return common
    }

    static let defaultListener = Endpoint(.host("127.0.0.1", port: 50051))
    static let defaultAdmin = Endpoint(.host("127.0.0.1", port: 9901))
}

/// One address that callers connect to. Configuration section `listeners[]`.
struct ListenerSettings: Sendable, Equatable {
    /// Port 0 means any free port, which the log then tells.
    var address: Endpoint
    /// Name of the cluster that serves everything on this listener. Nil means by model, else the default cluster.
    var cluster: String?
    /// Nil means cleartext.
    var tls: TLSServerSettings?
    var auth = ListenerAuthSettings()
    /// Who may connect to a UNIX socket, as `chmod` has it.
    var unixPermissions: UInt32 = 0o660
    /// Name of the inherited socket that takes the place of this one. Nil means the one that is bound to the address.
    var socketName: String?
}

/// Who may call. Configuration section `listeners[].auth`.
struct ListenerAuthSettings: Sendable, Equatable {
    /// Empty means everybody.
    var tokens: [AcceptedToken] = []
}

/// Configuration section `listeners[].auth.tokens[]`.
struct AcceptedToken: Sendable, Equatable {
    /// Nil until it has been read.
    var token: BearerToken?
}

/// The operator's port. Configuration section `admin`.
struct AdminSection: Sendable, Equatable {
    /// Nil means that there is none.
    var address: Endpoint? = ServeSettings.defaultAdmin
    var auth = AdminAuthSettings()
}

/// One line per stream. Configuration section `access_log`.
struct AccessLogSettings: Sendable, Equatable {
    var enabled = true
    var format = Format.text
    /// A file, or nil for standard output.
    var path: String?
    /// Share of the streams that end with OK and get a line.
    var sampleShare = 1.0

    enum Format: String, Sendable, CaseIterable {
        case text
        case json
    }
}
