import Transport
import Upstream

/// The TLS contexts of everything that the settings encrypt, read from their files.
struct Certificates: Sendable {
    /// By position of the listener; nil in cleartext.
    let listeners: [TLSContext?]
    /// By position of the cluster; nil in cleartext.
    let clusters: [TLSContext?]
    let watched: [Watched]

    /// One set of files.
    struct Watched: Sendable {
        /// `listener ADDRESS` or `cluster NAME`.
        let owner: String
        let context: TLSContext
        /// How often it is looked at. Zero: only when somebody asks.
        let intervalMs: Int
    }

    /// Reads every file. Throws the first problem.
    init(_ settings: ServeSettings) throws {
        var watched: [Watched] = []
        self.listeners = try settings.listeners.map { listener in
            guard let tls = listener.tls else { return nil }
            let context = try TLSContext(server: tls)
            watched.append(
                Watched(owner: "listener \(listener.address)", context: context, intervalMs: tls.reloadIntervalMs))
            return context
        }
        self.clusters = try settings.clusters.map { cluster in
            guard let tls = cluster.tls else { return nil }
            let context = try TLSContext(client: tls)
            watched.append(
                Watched(owner: "cluster \(cluster.name)", context: context, intervalMs: tls.reloadIntervalMs))
            return context
        }
        self.watched = watched
    }
}
