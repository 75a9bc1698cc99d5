/// All addresses of a name, each with the same port: a headless service of Kubernetes, or any name with A and AAAA
/// records.
///
/// That there is no such name is taken for a mistake of the name server, and changes nothing: names of services come
/// and go while their zone is being changed.
package struct AddressLookup: ReplicaLookup {
    private let host: String
    private let port: Int
    private let family: AddressFamily
    private let resolver: any NameResolver

    package var subject: String { "dns \(self.host):\(self.port)" }

    package init(host: String, port: Int, family: AddressFamily, resolver: any NameResolver) {
        self.host = host
        self.port = port
        self.family = family
        self.resolver = resolver
    }

    package func look() async throws(DiscoveryFailure) -> LookupAnswer {
        let outcomes = await self.resolver.resolve(self.family.types.map { DNSQuestion(self.host, $0) })
        let addresses = FoundAddresses(outcomes)
        let replicas = addresses.texts.map {
            DiscoveredReplica(address: DNSAddressText.endpoint($0, port: self.port))
        }
        if let failure = addresses.failure {
            guard !replicas.isEmpty else { throw DiscoveryFailure("\(self.host): \(failure)") }
            return .part(replicas, missing: DiscoveryFailure("\(self.host): \(failure)"))
        }
        guard !addresses.isUnknown else { throw DiscoveryFailure("\(self.host): there is no such name (NXDOMAIN)") }
        return .replicas(replicas, ttlMs: addresses.ttlMs)
    }
}

/// What the questions about one name's addresses have brought together.
struct FoundAddresses {
    private(set) var texts: [String] = []
    /// How long all of them hold; nil when nobody says so.
    private(set) var ttlMs: Int?
    /// Why some may be missing.
    private(set) var failure: String?
    /// There is no such name. A name server that says so about one type only has changed its mind meanwhile.
    private(set) var isUnknown = false

    init(_ outcomes: some Sequence<DNSOutcome>) {
        for outcome in outcomes {
            switch outcome {
            case .records(let records, let ttlMs):
                for case .address(let text) in records { self.texts.append(text) }
                if let ttlMs { self.ttlMs = min(self.ttlMs ?? ttlMs, ttlMs) }
            case .none: ()
            case .nameUnknown: self.isUnknown = true
            case .failed(let text): self.failure = self.failure ?? text
            }
        }
        if !self.texts.isEmpty { self.isUnknown = false }
    }
}
