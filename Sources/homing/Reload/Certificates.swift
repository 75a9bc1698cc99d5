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
        enum Place: Sendable {
            /// By position in the settings.
            case listener(Int)
            case cluster(Int)
        }

        /// `listener ADDRESS` or `cluster NAME`.
        let owner: String
        let place: Place
        let context: TLSContext
        /// How often it is looked at. Zero: only when somebody asks.
        let intervalMs: Int

        /// The section that it is from.
        var path: String {
            switch self.place {
            case .listener(let index): "listeners[\(index)].tls"
            case .cluster(let index): "clusters[\(index)].tls"
            }
        }

        /// Reads the files that these settings name for it; nil when they name none.
        func prepare(_ settings: ServeSettings) throws(TLSProblem) -> TLSContext.Prepared? {
            switch self.place {
            case .listener(let index):
                guard let tls = settings.listeners[index].tls else { return nil }
                return try self.context.prepare(server: tls)
            case .cluster(let index):
                guard let tls = settings.clusters[index].tls else { return nil }
                return try self.context.prepare(client: tls)
            }
        }

        /// How often these settings want it looked at.
        func intervalMs(in settings: ServeSettings) -> Int {
            switch self.place {
            case .listener(let index): settings.listeners[index].tls?.reloadIntervalMs ?? 0
            case .cluster(let index): settings.clusters[index].tls?.reloadIntervalMs ?? 0
            }
        }
    }

    /// Reads every file. Throws the first problem.
    init(_ settings: ServeSettings) throws {
        var watched: [Watched] = []
        self.listeners = try settings.listeners.enumerated().map { index, listener in
            guard let tls = listener.tls else { return nil }
            let context = try TLSContext(server: tls)
            watched.append(
                Watched(
                    owner: "listener \(listener.address)", place: .listener(index), context: context,
                    intervalMs: tls.reloadIntervalMs))
            return context
        }
        self.clusters = try settings.clusters.enumerated().map { index, cluster in
            guard let tls = cluster.tls else { return nil }
            let context = try TLSContext(client: tls)
            watched.append(
                Watched(
                    owner: "cluster \(cluster.name)", place: .cluster(index), context: context,
                    intervalMs: tls.reloadIntervalMs))
            return context
        }
        self.watched = watched
    }
}
