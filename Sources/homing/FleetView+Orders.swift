import Admin
import Transport
import Upstream

/// What operators want done with replicas.
extension FleetView {
    func carryOut(_ order: ReplicaOrder, cluster name: String?) throws(AdminRefusal) -> ReplicaOutcome {
        switch order {
        case .add(let address, let weight):
            let endpoint = try Self.endpoint(address)
            let cluster = try self.cluster(name, holding: nil)
            try Self.orRefusal { () throws(ReplicaProblem) in
                try cluster.add(ReplicaSettings(address: endpoint, weight: weight))
            }
            return Self.outcome(.added, endpoint.description, in: cluster)
        case .drain(let replica):
            let cluster = try self.cluster(name, holding: replica)
            let isNew = try Self.orRefusal { () throws(ReplicaProblem) in try cluster.drain(replica) }
            return Self.outcome(isNew ? .draining : .unchanged, replica, in: cluster)
        case .undrain(let replica):
            let cluster = try self.cluster(name, holding: replica)
            let isNew = try Self.orRefusal { () throws(ReplicaProblem) in try cluster.undrain(replica) }
            return Self.outcome(isNew ? .serving : .unchanged, replica, in: cluster)
        case .remove(let replica, let now):
            let cluster = try self.cluster(name, holding: replica)
            let removal = try Self.orRefusal { () throws(ReplicaProblem) in try cluster.remove(replica, now: now) }
            switch removal {
            case .leaves: return Self.outcome(.leaving, replica, in: cluster)
            case .kept: return Self.outcome(.kept, replica, in: cluster)
            }
        }
    }

    /// The cluster of this name; without one, the only cluster, or the only one that has the replica.
    private func cluster(_ name: String?, holding replica: String?) throws(AdminRefusal) -> Cluster {
        if let name {
            if let cluster = self.all.first(where: { $0.name == name }) { return cluster }
            throw AdminRefusal(.unknown, "no_such_cluster", "there is no cluster \(name)")
        }
        if self.all.count == 1 { return self.all[0] }
        guard let replica else {
            throw AdminRefusal(.bad, "cluster_missing", "there are \(self.all.count) clusters; say which one")
        }
        let holders = self.all.filter { $0.replicas.contains { $0.name == replica } }
        if holders.count == 1 { return holders[0] }
        guard holders.isEmpty else {
            let names = holders.map(\.name).joined(separator: ", ")
            throw AdminRefusal(.bad, "cluster_missing", "\(replica) is in several clusters; say which: \(names)")
        }
        throw Self.refusal(.unknown(replica))
    }

    private static func endpoint(_ text: String) throws(AdminRefusal) -> Endpoint {
        let endpoint: Endpoint
        do throws(EndpointProblem) {
            endpoint = try Endpoint(parsing: text)
        } catch {
            throw AdminRefusal(.bad, "bad_address", error.description)
        }
        guard endpoint.port != 0 else {
            throw AdminRefusal(.bad, "bad_address", "a replica needs its port; 0 is for listeners only")
        }
        return endpoint
    }

    private static func orRefusal<Value>(
        _ body: () throws(ReplicaProblem) -> Value
    ) throws(AdminRefusal) -> Value {
        do throws(ReplicaProblem) {
            return try body()
        } catch {
            throw self.refusal(error)
        }
    }

    private static func refusal(_ problem: ReplicaProblem) -> AdminRefusal {
        switch problem {
        case .unknown: AdminRefusal(.unknown, "no_such_replica", problem.description)
        case .alreadyThere: AdminRefusal(.conflict, "replica_is_there", problem.description)
        case .leaving: AdminRefusal(.conflict, "replica_is_leaving", problem.description)
        case .tooMany: AdminRefusal(.conflict, "too_many_replicas", problem.description)
        }
    }

    private static func outcome(
        _ result: ReplicaOutcome.Result, _ name: String, in cluster: Cluster
    ) -> ReplicaOutcome {
        // One without streams may be gone by now.
        let row = cluster.rows().first { $0.replica.name == name }
        return ReplicaOutcome(
            cluster: cluster.name, id: name, result: result, inFlight: row?.inFlight ?? 0,
            origins: row?.origins.map(\.description) ?? [])
    }
}
