import Config
import Logging
import Proxy
import Routing
import Transport
import Upstream

// The keys of the file, from its top. The sections that belong to a library are read in LibrarySections.swift.

extension ServeSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.sections(
            "listeners", &self.listeners, shorthand: "address",
            "Where callers connect, by HTTP/2, in cleartext with prior knowledge unless there is a tls section. An "
                + "address alone makes a listener."
        )
        section.section("admin", &self.admin, "The operator's port: status page, /metrics, /ready, /live and /api.")
        section.value(
            "threads", &self.threads, .int(in: 0...1_024), "Event loops that serve streams. 0 means one per core.")
        section.section("proxy", &self.proxy, "Limits and behaviour towards callers.")
        section.section("upgrade", &self.upgrade, "How SIGUSR2 puts a new process in the place of this one.")
        section.section("access_log", &self.accessLog, "One line per stream that has ended.")
        section.value(
            "log_level", &self.logLevel, .oneOf, "The least important log messages that are written, to stderr.")
        section.value(
            "reload_interval_ms", &self.reloadIntervalMs, .int(in: 0...86_400_000),
            "How often this file is looked at for changes, which are then taken up without a restart, all or nothing. 0 "
                + "means on SIGHUP, 'homing reload' and POST /api/reload only.")
        section.sections(
            "clusters", &self.clusters,
            "The workers, by what they serve.")
        section.optionalValue(
            "default_cluster", &self.defaultCluster, .clusterName,
            "The cluster that gets what no listener, model, metadata or authority sends elsewhere. Without it that is the "
                + "first one.")
    }
}

extension ListenerSettings: ConfigSection {
    init() {
        self.init(address: .unset)
    }

    mutating func read(from section: SectionReader) {
        section.value(
            "address", &self.address, .endpoint, required: true,
            "Where to listen. Port 0 means any free port, which the log then tells.")
        section.optionalValue(
            "cluster", &self.cluster, .clusterName,
            "The cluster that serves everything on this listener. Without it a stream goes to the cluster that lists "
                + "its model, else to the default cluster.")
        section.optionalSection("tls", &self.tls, "TLS with HTTP/2 (ALPN h2). Without it callers speak cleartext.")
        section.section("auth", &self.auth, "Who may call.")
        section.value(
            "unix_permissions", &self.unixPermissions, .permissions,
            "Who may connect to a UNIX socket, in octal as chmod has it: its user, its group, everybody.")
        section.optionalValue(
            "socket_name", &self.socketName, .socketName,
            "The name of the socket that a service manager opens for this listener: FileDescriptorName= of a systemd socket "
                + "unit. Without it that is the socket which is bound to the address, if there is one.")
    }
}

extension AccessLogSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value("enabled", &self.enabled, .bool, "Whether there is an access log.")
        section.value("format", &self.format, .oneOf, "How a line looks: fields in a fixed order, or one JSON object.")
        section.value(
            "path", &self.path, .fileOrStdout,
            "The file that lines are appended to, or stdout. SIGHUP opens it again, so that it may be moved away before."
        )
        section.value(
            "sample_share", &self.sampleShare, .double(in: 0...1),
            "Share of the streams that end with OK and get a line, chosen at random. All others always get theirs.")
    }
}

extension ClusterSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "name", &self.name, .clusterName, required: true,
            "Names the cluster in listeners, metrics and logs. Unique.")
        section.values(
            "models", &self.models, of: .string(atMost: 512, emptyAllowed: false),
            "The model identities that this cluster serves: what a request's ModelIdentity says. Empty means any "
                + "model; only one cluster may say so, besides those that a listener names.")
        section.values(
            "authorities", &self.authorities, of: .string(atMost: 512, emptyAllowed: false),
            "Authorities (:authority, with or without a port) whose requests this cluster serves, when their listener "
                + "names no cluster.")
        section.section("routing", &self.routing, "How a replica is picked for a stream.")
        section.section(
            "admission", &self.routing.admission,
            "How many streams a replica is given at a time, and how the others wait in the proxy.")
        section.section("probe", &self.probe, "How the health of the replicas is probed, in the background.")
        section.section("outlier", &self.outlier, "When a replica is taken out for what its streams tell.")
        section.section("stall", &self.stall, "When a replica that says nothing is taken for one that hangs.")
        section.section("connections", &self.connections, "How replicas are connected to, and when to try another one.")
        section.optionalSection(
            "tls", &self.tls, "TLS with HTTP/2 (ALPN h2) towards the replicas. Without it cleartext is spoken.")
        section.section("auth", &self.auth, "How we prove ourselves to the replicas.")
        section.section("model", &self.model, "What LoadModel and Free mean in front of this cluster.")
        section.section("stores", &self.stores, "Where calls about stores go.")
        section.value(
            "lost_answer_status", &self.lostAnswerStatus, .oneOf,
            "The status of an answer that ends because one of several replicas was lost. aborted: what LocalAI must see, "
                + "since it unloads a model on UNAVAILABLE. unavailable: what generic gRPC callers expect.")
        section.value(
            "replica_drain_timeout_ms", &self.replicaDrainTimeoutMs, .int(in: 0...86_400_000),
            "How long streams on a replica that is removed may go on; then they are cut. One that is only drained is left to "
                + "finish.")
        section.sections(
            "replicas", &self.replicas, shorthand: "address",
            "The worker processes. An address alone is enough for a replica.")
        section.sections(
            "discovery", &self.discovery,
            "Where further replicas are found, and looked for again and again: DNS, a file, LocalAI's registry. A source "
                + "that fails leaves its last replicas in place.")
    }
}

extension ReplicaSettings: ConfigSection {
    init() {
        self.init(address: .unset)
    }

    mutating func read(from section: SectionReader) {
        section.value("address", &self.address, .endpoint, required: true, "Where the worker listens.")
        section.value(
            "weight", &self.weight, .int(in: 1...1_000),
            "Decides between replicas that are equally busy: the heavier one goes first.")
    }
}

extension Endpoint {
    /// Stands in a list element until its address is read; no address that is written equals it.
    fileprivate static let unset = Endpoint(.host("", port: 0))
}

extension ValueForm where Value == Endpoint {
    static var endpoint: Self {
        Self(
            expects: "host:port, [v6]:port or unix:/path",
            parse: { (scalar) throws(Mismatch) in
                do throws(EndpointProblem) {
                    return try Endpoint(parsing: scalar.text)
                } catch {
                    throw .because(error.description)
                }
            },
            show: { ScalarText($0 == .unset ? "" : $0.description, isText: true) })
    }
}

extension ValueForm where Value == Endpoint? {
    /// An endpoint, or nothing or `off` for nil.
    static var endpointOrOff: Self {
        let endpoint = ValueForm<Endpoint>.endpoint
        return Self(
            expects: "\(endpoint.expects), or off",
            parse: { (scalar) throws(Mismatch) in
                scalar.text.isEmpty || scalar.text == "off" ? nil : try endpoint.parse(scalar)
            },
            show: { $0.map(endpoint.show) ?? ScalarText("off", isText: false) })
    }
}

extension ValueForm where Value == String {
    /// What systemd takes for a name of a socket (sd_listen_fds(3)).
    fileprivate static var socketName: Self {
        Self(
            expects: "1 to 255 printable ASCII characters other than ':'",
            parse: { (scalar) throws(Mismatch) in
                let isName = scalar.text.utf8.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: ":") }
                guard isName, (1...255).contains(scalar.text.utf8.count) else { throw .unexpected }
                return scalar.text
            },
            show: { ScalarText($0, isText: true) })
    }

    /// The name of a cluster, fit to be a label of a metric.
    static var clusterName: Self {
        Self(
            expects: "1 to 64 letters, digits, '_', '-' or '.'",
            parse: { (scalar) throws(Mismatch) in
                let isName = scalar.text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-.".contains($0)) }
                guard isName, (1...64).contains(scalar.text.utf8.count) else { throw .unexpected }
                return scalar.text
            },
            show: { ScalarText($0, isText: true) })
    }
}
