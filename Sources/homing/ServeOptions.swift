import ArgumentParser
import Config
import Logging
import Routing
import Transport
import Upstream

/// The flags of `homing serve`. What a flag says wins over the file.
struct ServeOptions: ParsableArguments {
    @Option(
        name: [.customShort("c"), .customLong("config")],
        help: ArgumentHelp(
            "The configuration file, YAML.",
            discussion: "'homing check-config --reference' prints one with every key and its manual entry.",
            valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
    var configuration: String?

    @Option(
        name: .customLong("listen"),
        help: ArgumentHelp(
            "Where callers connect: host:port, [v6]:port or unix:/path. May be repeated.",
            discussion: """
                Replaces the addresses of the file's listeners; their TLS and tokens stay. Port 0 means any free port, \
                which the log then tells. Default: 127.0.0.1:50051.
                """,
            valueName: "address"),
        transform: Flags.endpoint)
    var listeners: [Endpoint] = []

    @Option(
        name: .customLong("tls-certificate"),
        help: ArgumentHelp(
            "Serve TLS on every listener, with the certificate chain in this PEM file.",
            discussion: "Needs --tls-key. Default: cleartext.", valueName: "file"), completion: .file())
    var tlsCertificate: String?

    @Option(
        name: .customLong("tls-key"),
        help: ArgumentHelp("The private key of that certificate, PEM.", valueName: "file"), completion: .file())
    var tlsKey: String?

    @Option(
        name: .customLong("admin"),
        help: ArgumentHelp(
            "Where the operator's port listens, or off. Default: 127.0.0.1:9901.", valueName: "address"),
        transform: ServeOptions.adminSection)
    var admin: AdminSection?

    @Option(
        name: .customLong("replica"),
        help: ArgumentHelp(
            "A worker's address. May be repeated. These replace the replicas of the file's cluster.",
            discussion: "Without a file they make one cluster, called default.", valueName: "address"),
        transform: Flags.endpoint)
    var replicas: [Endpoint] = []

    @Option(
        name: .customLong("policy"),
        help: ArgumentHelp(
            "Who picks the replica of a stream, in every cluster: \(Flags.names(PolicyName.self)).",
            discussion: "Default: \(RoutingSettings().policy.rawValue).", valueName: "name"),
        completion: .list(PolicyName.allCases.map(\.rawValue)), transform: { try Flags.name($0) })
    var policy: PolicyName?

    @Option(
        name: .customLong("threads"),
        help: ArgumentHelp("Event loops that serve streams, 0 for one per core (the default).", valueName: "count"))
    var threads: Int?

    @Option(
        name: .customLong("model"),
        help: ArgumentHelp(
            "A model identity that the replicas serve. May be repeated. Default: any.", valueName: "name"))
    var models: [String] = []

    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp(
            "The least important log messages that are written: \(Flags.names(Logger.Level.self)).",
            discussion: "Default: info.", valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue)), transform: { try Flags.name($0) })
    var logLevel: Logger.Level?

    @Flag(name: .customLong("no-access-log"), help: "Do not write a line per stream to stdout.")
    var withoutAccessLog = false

    func validate() throws {
        if let threads = self.threads, !(0...1_024).contains(threads) {
            throw ValidationError("--threads is a whole number, 0 to 1024.")
        }
        guard (self.tlsCertificate == nil) == (self.tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key need each other.")
        }
        if self.models.contains("") { throw ValidationError("--model is a name that is not empty.") }
    }

    /// The settings of the file, if there is one, with what the environment and then the flags say. Throws every problem
    /// at once; `note` hears what is worth a word beside.
    /// - Parameter mustServe: whether settings without a replica are a problem.
    func settings(
        environment: SettingsEnvironment = .process, mustServe: Bool = true, note: (String) -> Void = { _ in }
    ) throws -> ServeSettings {
        var options = self
        let wrong = options.fill(from: environment)
        let variables = self.variables(in: environment)
        return try options.filled(environment, wrong, mustServe, note) { problem in
            guard let variable = variables[problem.path] else { return problem }
            return Problem(path: problem.path, line: nil, text: problem.text, variable: variable)
        }
    }

    private func filled(
        _ environment: SettingsEnvironment, _ wrong: [Problem], _ mustServe: Bool, _ note: (String) -> Void,
        named: (Problem) -> Problem
    ) throws -> ServeSettings {
        var settings = ServeSettings()
        if self.configuration == nil, !self.replicas.isEmpty { settings.clusters = [.ofFlags] }
        let loaded = try SettingsFile.load(
            self.configuration, environment: environment, defaults: settings, besides: wrong)
        loaded.notes.forEach(note)
        settings = loaded.settings
        var lines = loaded.findings.lines
        var problems = self.apply(to: &settings).map(named)
        // Where a flag replaced what the file says, the file's lines are about something else.
        if !self.listeners.isEmpty { lines = lines.filter { !$0.key.hasPrefix("listeners") } }
        if self.admin != nil { lines = lines.filter { !$0.key.hasPrefix("admin.address") } }
        if !self.replicas.isEmpty { lines = lines.filter { !$0.key.hasPrefix("clusters[0].replicas") } }
        problems += settings.contradictions(lines: lines).map { loaded.findings.named($0) }
        if problems.isEmpty, mustServe, let lack = settings.lack {
            problems.append(Problem(path: "clusters", line: nil, text: lack))
        }
        guard problems.isEmpty else { throw ConfigProblems(problems, file: self.configuration) }
        return settings
    }

    /// Changes what the flags say; gives back what they say and cannot mean.
    private func apply(to settings: inout ServeSettings) -> [Problem] {
        if !self.listeners.isEmpty {
            guard let template = settings.commonListener else {
                let text = "the file's listeners differ in tls or auth, so addresses belong into the file"
                return [Problem(path: "--listen", line: nil, text: text)]
            }
            settings.listeners = self.listeners.map { address in
                var listener = template
                listener.address = address
                return listener
            }
        }
        if let certificate = self.tlsCertificate, let key = self.tlsKey {
            for index in settings.listeners.indices {
                var tls = settings.listeners[index].tls ?? TLSServerSettings()
                tls.certificateFile = certificate
                tls.privateKeyFile = key
                settings.listeners[index].tls = tls
            }
        }
        if let admin = self.admin { settings.admin.address = admin.address }
        if let threads = self.threads { settings.threads = threads }
        if let logLevel = self.logLevel { settings.logLevel = logLevel }
        if self.withoutAccessLog { settings.accessLog.enabled = false }

        var problems: [Problem] = []
        let flags = [("--replica", self.replicas.isEmpty), ("--model", self.models.isEmpty)]
        for (flag, isEmpty) in flags where !isEmpty && settings.clusters.count > 1 {
            let text = "the file has \(settings.clusters.count) clusters, so this belongs into the file"
            problems.append(Problem(path: flag, line: nil, text: text))
        }
        guard problems.isEmpty else { return problems }
        if settings.clusters.isEmpty, !self.replicas.isEmpty { settings.clusters = [.ofFlags] }
        if !settings.clusters.isEmpty {
            if !self.replicas.isEmpty {
                settings.clusters[0].replicas = self.replicas.map { ReplicaSettings(address: $0) }
            }
            if !self.models.isEmpty { settings.clusters[0].models = self.models }
        }
        for index in settings.clusters.indices {
            if let policy = self.policy { settings.clusters[index].routing.policy = policy }
        }
        return []
    }
}

extension ClusterSettings {
    /// The cluster of replicas that no file puts into one.
    fileprivate static var ofFlags: Self {
        var cluster = ClusterSettings()
        cluster.name = "default"
        return cluster
    }
}
