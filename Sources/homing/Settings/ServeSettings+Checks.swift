import Config
import Transport
import Upstream
import Wire

// What no single key can say about itself.

extension ServeSettings {
    /// Everything that is wrong between settings which are right one by one. `lines` are those of the file, by path.
    func contradictions(lines: [String: Int]) -> [Problem] {
        var checks = Checks(lines: lines)
        checks.listenAddresses(of: self)
        checks.listenersNameClusters(of: self)
        checks.clusterNames(of: self)
        checks.defaultCluster(of: self)
        checks.models(of: self)
        checks.stateFiles(of: self)
        checks.authorities(of: self)
        checks.admin(of: self)
        for (index, listener) in self.listeners.enumerated() { checks.security(of: listener, "listeners[\(index)]") }
        for (index, cluster) in self.clusters.enumerated() { checks.security(of: cluster, "clusters[\(index)]") }
        for (index, cluster) in self.clusters.enumerated() { checks.replicas(of: cluster, "clusters[\(index)]") }
        for (index, cluster) in self.clusters.enumerated() {
            for (path, text) in cluster.discoveryContradictions { checks.report("clusters[\(index)].\(path)", text) }
        }
        return checks.problems
    }

    /// Why these settings, although right, are not enough to serve; nil when they are.
    var lack: String? {
        guard !self.clusters.isEmpty else { return "there is no cluster; name replicas in the file or with --replica" }
        guard self.mayGetReplicas || self.clusters.contains(where: { !$0.replicas.isEmpty }) else {
            return "no cluster has a replica; name replicas in the file or with --replica, or where to discover them"
        }
        return nil
    }

    /// Whether a replica may join while the proxy serves: a cluster may begin without any then.
    var mayGetReplicas: Bool {
        let mayBeAdded = self.admin.address != nil && !self.admin.auth.tokens.isEmpty
        return mayBeAdded || self.clusters.contains { !$0.discovery.isEmpty }
    }

    private struct Checks {
        let lines: [String: Int]
        var problems: [Problem] = []

        init(lines: [String: Int]) {
            self.lines = lines
        }

        mutating func listenAddresses(of settings: ServeSettings) {
            if settings.listeners.isEmpty {
                self.report("listeners", "is empty; name at least one, or leave the key out for the default")
            }
            var taken: [Endpoint: String] = [:]
            let listeners = settings.listeners.enumerated().map { ("listeners[\($0)].address", Optional($1.address)) }
            for (path, address) in listeners + [("admin.address", settings.admin.address)] {
                guard let address, address.port != 0 else { continue }
                if let first = taken[address] {
                    self.report(path, "\(address) is the address of \(first) already")
                } else {
                    taken[address] = path
                }
            }
        }

        mutating func listenersNameClusters(of settings: ServeSettings) {
            let names = settings.clusters.map(\.name)
            for (index, listener) in settings.listeners.enumerated() {
                guard let name = listener.cluster, !names.contains(name) else { continue }
                self.unknownCluster(name, among: names, "listeners[\(index)].cluster")
            }
        }

        mutating func defaultCluster(of settings: ServeSettings) {
            let names = settings.clusters.map(\.name)
            guard let name = settings.defaultCluster, !names.contains(name) else { return }
            self.unknownCluster(name, among: names, "default_cluster")
        }

        private mutating func unknownCluster(_ name: String, among names: [String], _ path: String) {
            let hint = Spelling.nearest(to: name, among: names).map { "; did you mean \(quoted($0))?" } ?? ""
            self.report(path, "there is no cluster \(quoted(name))\(hint)")
        }

        mutating func authorities(of settings: ServeSettings) {
            var taken: [String: String] = [:]
            for (index, cluster) in settings.clusters.enumerated() {
                for (position, authority) in cluster.authorities.enumerated() {
                    let path = "clusters[\(index)].authorities[\(position)]"
                    if let first = taken[authority.lowercased()] {
                        self.report(path, "\(quoted(authority)) is served by \(first) already")
                    } else {
                        taken[authority.lowercased()] = path
                    }
                }
            }
        }

        mutating func clusterNames(of settings: ServeSettings) {
            var taken: [String: Int] = [:]
            for (index, cluster) in settings.clusters.enumerated() where !cluster.name.isEmpty {
                if let first = taken[cluster.name] {
                    self.report(
                        "clusters[\(index)].name", "\(quoted(cluster.name)) is the name of clusters[\(first)] already")
                } else {
                    taken[cluster.name] = index
                }
            }
        }

        mutating func models(of settings: ServeSettings) {
            var taken: [String: String] = [:]
            var servesAny: Int?
            for (index, cluster) in settings.clusters.enumerated() {
                for (position, model) in cluster.models.enumerated() {
                    let path = "clusters[\(index)].models[\(position)]"
                    if let first = taken[model] {
                        self.report(path, "\(quoted(model)) is served by \(first) already")
                    } else {
                        taken[model] = path
                    }
                }
                // A listener that names its cluster needs no model to find it.
                let isNamed =
                    settings.listeners.contains { $0.cluster == cluster.name } || !cluster.authorities.isEmpty
                guard cluster.models.isEmpty, !isNamed else { continue }
                if let first = servesAny {
                    self.report(
                        "clusters[\(index)]",
                        "serves any model, but clusters[\(first)] does already; "
                            + "list its models or name it in a listener"
                    )
                } else {
                    servesAny = index
                }
            }
        }

        /// Two clusters with one file would take each other's model for their own.
        mutating func stateFiles(of settings: ServeSettings) {
            var taken: [String: Int] = [:]
            for (index, cluster) in settings.clusters.enumerated() where !cluster.model.stateFile.isEmpty {
                if let first = taken[cluster.model.stateFile] {
                    self.report(
                        "clusters[\(index)].model.state_file", "is the file of clusters[\(first)] already")
                } else {
                    taken[cluster.model.stateFile] = index
                }
            }
        }

        mutating func replicas(of cluster: ClusterSettings, _ path: String) {
            let model = cluster.model
            if model.retryMaxMs < model.retryMs {
                self.report("\(path).model.retry_max_ms", "is less than retry_ms")
            }
            if cluster.outlier.maxEjectionMs < cluster.outlier.baseEjectionMs {
                self.report("\(path).outlier.max_ejection_ms", "is less than base_ejection_ms")
            }
            var taken: [Endpoint: Int] = [:]
            for (index, replica) in cluster.replicas.enumerated() {
                let place = "\(path).replicas[\(index)].address"
                if replica.address.port == 0 {
                    self.report(place, "a replica needs its port; 0 is for listeners only")
                } else if let first = taken[replica.address] {
                    self.report(place, "\(replica.address) is the address of \(path).replicas[\(first)] already")
                } else {
                    taken[replica.address] = index
                }
            }
        }

        mutating func security(of listener: ListenerSettings, _ path: String) {
            if let tls = listener.tls, tls.requireClientCertificate == true, tls.clientCAFile == nil {
                self.report("\(path).tls.require_client_certificate", "needs client_ca_file, which says whose to take")
            }
            self.tokens(listener.auth.tokens, path)
        }

        mutating func admin(of settings: ServeSettings) {
            self.tokens(settings.admin.auth.tokens, "admin")
            guard settings.admin.auth.tokens.isEmpty, !settings.admin.isLoopback else { return }
            self.report(
                "admin.address",
                "is not a loopback address, so it needs admin.auth.tokens; who reaches it sees the whole fleet")
        }

        private mutating func tokens(_ tokens: [AcceptedToken], _ path: String) {
            for (index, accepted) in tokens.enumerated() {
                let place = "\(path).auth.tokens[\(index)]"
                guard let token = accepted.token else {
                    self.report(place, "has no token; set token_env or token_file")
                    continue
                }
                self.token(token, "\(place).token")
            }
        }

        mutating func security(of cluster: ClusterSettings, _ path: String) {
            if let token = cluster.auth.token { self.token(token, "\(path).auth.token") }
            guard let tls = cluster.tls else { return }
            if (tls.certificateFile == nil) != (tls.privateKeyFile == nil) {
                self.report("\(path).tls", "certificate_file and private_key_file need each other")
            }
            let isUnix = cluster.replicas.contains { $0.address.port == nil }
            if isUnix, tls.verify == .full, tls.serverName == nil {
                self.report("\(path).tls", "replicas on UNIX sockets have no name to check; set server_name")
            }
        }

        /// The text must not show any of it.
        private mutating func token(_ token: BearerToken, _ path: String) {
            guard !token.isSendable else { return }
            self.report(path, "a token has visible ASCII characters only, and no spaces")
        }

        /// The line of the path, or of the nearest place around it that has one.
        mutating func report(_ path: String, _ text: String) {
            var place = Substring(path)
            while self.lines[String(place)] == nil, let end = place.lastIndex(where: { $0 == "." || $0 == "[" }) {
                place = place[..<end]
            }
            self.problems.append(Problem(path: path, line: self.lines[String(place)], text: text))
        }
    }
}
