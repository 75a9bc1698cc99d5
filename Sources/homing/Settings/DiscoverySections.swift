import Config
import Discovery
import Transport
import Upstream

// Sources of replicas as the file writes them.

private let someTime = 1...86_400_000

extension DiscoverySettings: ConfigSection {
    /// A source has the keys of its type. One whose type is not known yet has all of them: a reference shows every key,
    /// and a wrong type makes no right key wrong.
    mutating func read(from section: SectionReader) {
        section.optionalValue(
            "type", &self.kind, .oneOf,
            "dns: all addresses of a name, with one port for all. srv: the targets of a service's SRV records. file: a "
                + "list in a file that is watched. localai: LocalAI's registry in PostgreSQL, which is only read. Required."
        )
        section.optionalValue(
            "name", &self.name, .clusterName,
            "Names the source in metrics, logs and /api/discovery. Unique in its cluster; without it that is its type.")
        let (kind, hasAny) = (self.kind, self.kind == nil)
        if kind == .dns || hasAny { self.readName(from: section) }
        if kind == .srv || hasAny { self.readService(from: section) }
        if kind == .dns || kind == .srv || hasAny { self.readResolver(from: section) }
        if kind == .file || hasAny { self.readFile(from: section) }
        if kind == .localai || hasAny { self.readLocalAI(from: section) }
        if kind != .file || hasAny {
            section.value(
                "empty_after", &self.emptyAfter, .int(in: 0...1_000),
                "Empty answers in a row that empty the source's list; before, its last replicas stay. 0: it is never "
                    + "emptied. Not for file, whose empty list is meant. A name that is not there (NXDOMAIN) is a failure."
            )
        }
    }

    private mutating func readName(from section: SectionReader) {
        section.optionalValue(
            "address", &self.address, .endpoint,
            "For dns: the name whose addresses are the replicas, and their port, as in workers.models.svc:50051. "
                + "Relative names are looked for in the system's search domains.")
    }

    private mutating func readService(from section: SectionReader) {
        section.value(
            "service", &self.service, .string(atMost: 253, emptyAllowed: true),
            "For srv: the service, as in _grpc._tcp.workers.models.svc.cluster.local. Of several priorities the lowest is "
                + "used, and the next ones as well while none of it is usable.")
    }

    private mutating func readResolver(from section: SectionReader) {
        section.value(
            "family", &self.family, .oneOf,
            "Which addresses are replicas. A worker with an IPv4 and an IPv6 address would be two of them with all.")
        section.values(
            "nameservers", &self.nameservers, of: .nameserver,
            "Who is asked instead of the system's name servers. Without them the hosts file is heeded, too.")
        section.value(
            "min_interval_ms", &self.minIntervalMs, .int(in: 10...86_400_000),
            "Shortest time between two looks, however short an answer holds. The first retry after a failure comes after "
                + "it, and each further one after twice the time.")
        section.value(
            "max_interval_ms", &self.maxIntervalMs, .int(in: 10...86_400_000),
            "Longest time between two looks, however long an answer holds.")
        section.value(
            "timeout_ms", &self.timeoutMs, .int(in: someTime),
            "How long the answers to a round of questions may take. srv has two: for the service, and for its targets.")
    }

    private mutating func readFile(from section: SectionReader) {
        section.value(
            "path", &self.path, .string(emptyAllowed: true),
            "For file: a list in YAML or JSON, of addresses or of objects with address, weight (1 to 1000) and cluster. An "
                + "entry with the name of another cluster is passed over.")
        section.value(
            "look_interval_ms", &self.lookIntervalMs, .int(in: 10...86_400_000),
            "How often the file is looked at. It is read when it has changed; one that is moved into its place is never "
                + "seen half written.")
    }

    private mutating func readLocalAI(from section: SectionReader) {
        section.value(
            "database", &self.database, .string(emptyAllowed: true),
            "For localai: the database as libpq takes it, as in postgresql://homing@db.example:5432/localai?sslmode=require. "
                + "Without a password.")
        var password = self.password.map(Secret.init(unread:))
        section.secret(
            "password", &password,
            "The password for the database, read again for every connection. Without it: what libpq finds.")
        self.password = password.map(PasswordOrigin.init)
        section.values(
            "models", &self.models, of: .string(atMost: 512, emptyAllowed: false),
            "The models whose replicas are taken, by LocalAI's names. Empty means the models of the cluster.")
        section.value(
            "query_interval_ms", &self.queryIntervalMs, .int(in: 100...86_400_000), "How often the database is asked.")
        section.value(
            "connect_timeout_ms", &self.connectTimeoutMs, .int(in: someTime),
            "How long connecting to the database and logging in may take, for each host of its address.")
        section.value(
            "query_timeout_ms", &self.queryTimeoutMs, .int(in: someTime),
            "How long the query may take; the database ends it then.")
    }
}

extension DiscoverySettings.PasswordOrigin {
    init(_ secret: Secret) {
        switch secret.source {
        case .environment(let name): self = .environment(name)
        case .file(let path): self = .file(path)
        }
    }

    var source: Secret.Source {
        switch self {
        case .environment(let name): .environment(name)
        case .file(let path): .file(path)
        }
    }
}

extension Secret {
    /// Where a password comes from, without the password.
    fileprivate init(unread origin: DiscoverySettings.PasswordOrigin) { self.init("", from: origin.source) }
}

extension ValueForm where Value == Endpoint {
    /// An address with a port: who names others cannot be named.
    fileprivate static var nameserver: Self {
        let endpoint = ValueForm<Endpoint>.endpoint
        return Self(
            expects: "an IP address with a port, such as 10.0.0.10:53",
            parse: { (scalar) throws(Mismatch) in
                let value = try endpoint.parse(scalar)
                guard value.isAddress, value.port != 0 else { throw .unexpected }
                return value
            },
            show: endpoint.show)
    }
}

extension ClusterSettings {
    /// What no single key of a source can say about itself, by place in the cluster's section.
    var discoveryContradictions: [(path: String, text: String)] {
        var found: [(path: String, text: String)] = []
        var taken: [String: Int] = [:]
        for (index, source) in self.discovery.enumerated() {
            let place = "discovery[\(index)]"
            guard let kind = source.kind else {
                found.append(("\(place).type", "is missing; expected one of dns, srv, file, localai"))
                continue
            }
            if let first = taken[source.label] {
                found.append(
                    ("\(place).name", "\(quoted(source.label)) is what discovery[\(first)] is called; name one of them")
                )
            } else {
                taken[source.label] = index
            }
            found += self.contradictions(of: source, kind).map { ("\(place)\($0.path)", $0.text) }
        }
        return found
    }

    private func contradictions(
        of source: DiscoverySettings, _ kind: DiscoverySettings.Kind
    ) -> [(path: String, text: String)] {
        var found: [(path: String, text: String)] = []
        switch kind {
        case .dns:
            switch source.address {
            case nil: found.append(("", "has no address; set a name with a port"))
            case .some(let address) where address.port == nil || address.isAddress:
                found.append((".address", "is no name; put addresses under replicas"))
            case .some(let address) where address.port == 0: found.append((".address", "a replica needs its port"))
            case .some: ()
            }
        case .srv:
            if source.service.isEmpty { found.append(("", "has no service; set its name")) }
        case .file:
            if source.path.isEmpty { found.append(("", "has no path; set that of the file")) }
        case .localai:
            if source.database.isEmpty {
                found.append(("", "has no database; write postgresql://user@host:5432/name"))
            } else if let problem = LocalAILookup.problem(inDatabase: source.database) {
                found.append((".database", problem))
            }
            if source.models.isEmpty, self.models.isEmpty {
                found.append((".models", "is empty, and so is the cluster's; LocalAI's registry is asked by model"))
            }
        }
        if source.maxIntervalMs < source.minIntervalMs {
            found.append((".max_interval_ms", "is less than min_interval_ms"))
        }
        return found
    }
}
