import Logging
import Proxy
import Transport
import Upstream

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
    var accessLog = AccessLogSettings()
    /// The least important log messages that are written.
    var logLevel = Logger.Level.info
    /// The first is the default one: it gets what no model and no listener sends elsewhere.
    var clusters: [ClusterSettings] = []

    static let defaultListener = Endpoint(.host("127.0.0.1", port: 50051))
    static let defaultAdmin = Endpoint(.host("127.0.0.1", port: 9901))
}

/// One address that callers connect to. Configuration section `listeners[]`.
struct ListenerSettings: Sendable, Equatable {
    /// Port 0 means any free port, which the log then tells.
    var address: Endpoint
    /// Name of the cluster that serves everything on this listener. Nil means by model, else the default cluster.
    var cluster: String?
}

/// The operator's port. Configuration section `admin`.
struct AdminSection: Sendable, Equatable {
    /// Nil means that there is none.
    var address: Endpoint? = ServeSettings.defaultAdmin
}

/// One line per stream, to stdout. Configuration section `access_log`.
struct AccessLogSettings: Sendable, Equatable {
    var enabled = true
    var format = Format.text

    enum Format: String, Sendable, CaseIterable {
        case text
        case json
    }
}
