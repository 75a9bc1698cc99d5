/// A worker process that a source has found. A value; nobody has tried to reach it.
package struct DiscoveredReplica: Sendable, Hashable {
    /// `host:port`, `[v6]:port` or `unix:/path`, as the source has it: whoever is handed it says whether it is one.
    package var address: String
    /// Decides between replicas that are equally busy: the heavier one goes first. 1 to 1,000.
    package var weight: Int

    package static let weights = 1...1_000

    /// - Parameter weight: is brought within `weights`.
    package init(address: String, weight: Int = 1) {
        self.address = address
        self.weight = min(max(weight, Self.weights.lowerBound), Self.weights.upperBound)
    }
}

extension [DiscoveredReplica] {
    /// Each address once, the heaviest weight of it, in the order of addresses: lists that say the same are equal.
    func inOrder() -> [DiscoveredReplica] {
        var byAddress: [String: DiscoveredReplica] = [:]
        for replica in self where (byAddress[replica.address]?.weight ?? 0) < replica.weight {
            byAddress[replica.address] = replica
        }
        return byAddress.values.sorted { $0.address < $1.address }
    }

    /// This list and those of another whose addresses it lacks.
    func joined(with other: [DiscoveredReplica]) -> [DiscoveredReplica] {
        let addresses = Set(self.map(\.address))
        return (self + other.filter { !addresses.contains($0.address) }).inOrder()
    }
}
