/// The targets of a service's SRV records, each with its own port and weight, as addresses.
///
/// Targets are taken by priority, the lowest first, up to the first priority of which a replica is usable: others are a
/// reserve, as RFC 2782 has it. Those before it stay in the list, so that their return is seen.
package struct ServiceLookup: ReplicaLookup {
    private let service: String
    private let family: AddressFamily
    private let resolver: any NameResolver
    private let lost: @Sendable () -> Set<String>

    package var subject: String { "srv \(self.service)" }

    /// - Parameter lost: addresses of replicas that no stream may be sent to now. Asked at every look; one that nobody has
    ///   tried yet is not lost.
    package init(
        service: String, family: AddressFamily, resolver: any NameResolver,
        lost: @escaping @Sendable () -> Set<String>
    ) {
        self.service = service
        self.family = family
        self.resolver = resolver
        self.lost = lost
    }

    package func look() async throws(DiscoveryFailure) -> LookupAnswer {
        let services: [DNSService]
        let ttlMs: Int?
        switch await self.resolver.resolve([DNSQuestion(self.service, .srv)]).first {
        case .records(let records, let ttl):
            services = records.compactMap { if case .service(let service) = $0 { service } else { nil } }
            ttlMs = ttl
        case .some(.none): return .replicas([], ttlMs: nil)
        case .nameUnknown: throw DiscoveryFailure("\(self.service): there is no such name (NXDOMAIN)")
        case .failed(let text): throw DiscoveryFailure("\(self.service): \(text)")
        case nil: throw DiscoveryFailure("\(self.service): nobody was asked")
        }
        // "." means that the service is decidedly not there; port 0 cannot be connected to.
        let offered = services.filter { $0.target != "." && $0.port != 0 }
        guard offered.count <= SourceState.mostReplicas else {
            throw DiscoveryFailure("\(self.service): has \(offered.count) records, too many to look at")
        }
        return await self.answer(offered, ttlMs)
    }

    /// A target without addresses is left out: there may be records of workers that are gone. One that nobody could say
    /// anything about makes the answer a part of one.
    private func answer(_ services: [DNSService], _ ttlMs: Int?) async -> LookupAnswer {
        let types = self.family.types
        let targets = Set(services.map(\.target)).sorted()
        let outcomes = await self.resolver.resolve(targets.flatMap { name in types.map { DNSQuestion(name, $0) } })
        var addresses: [String: FoundAddresses] = [:]
        var ttl = ttlMs
        var failure: DiscoveryFailure?
        for (index, target) in targets.enumerated() {
            let found = FoundAddresses(outcomes.dropFirst(index * types.count).prefix(types.count))
            addresses[target] = found
            if let foundTtl = found.ttlMs { ttl = min(ttl ?? foundTtl, foundTtl) }
            if let text = found.failure { failure = failure ?? DiscoveryFailure("\(target): \(text)") }
        }
        let replicas = self.replicas(services, addresses)
        if let failure { return .part(replicas, missing: failure) }
        // Whether the reserve is needed has to be looked at sooner than the names.
        let hasReserve = services.contains { $0.priority != services[0].priority }
        return .replicas(replicas, ttlMs: hasReserve ? 0 : ttl)
    }

    private func replicas(_ services: [DNSService], _ addresses: [String: FoundAddresses]) -> [DiscoveredReplica] {
        let heaviest = services.map(\.weight).max() ?? 0
        let byPriority = Dictionary(grouping: services, by: \.priority)
        let lost = byPriority.count > 1 ? self.lost() : []
        var replicas: [DiscoveredReplica] = []
        for priority in byPriority.keys.sorted() {
            let group = (byPriority[priority] ?? []).flatMap { service in
                (addresses[service.target]?.texts ?? []).map { address in
                    DiscoveredReplica(
                        address: DNSAddressText.endpoint(address, port: service.port),
                        weight: Self.weight(service.weight, ofAtMost: heaviest))
                }
            }
            replicas += group
            if group.contains(where: { !lost.contains($0.address) }) { break }
        }
        return replicas
    }

    /// Weights up to 1,000 are taken as they are, and 0 as 1; where there are larger ones, all shrink alike.
    private static func weight(_ weight: Int, ofAtMost heaviest: Int) -> Int {
        let most = DiscoveredReplica.weights.upperBound
        return heaviest <= most ? weight : weight * most / heaviest
    }
}
