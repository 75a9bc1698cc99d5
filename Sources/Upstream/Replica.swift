package import Routing
import Synchronization
package import Telemetry
package import Transport

/// One worker process: its address, and what is counted about it. State that decisions are made from is the cluster's.
package final class Replica: Sendable {
    /// Requests that it works on side by side, as the options of its LoadModel say (`parallel:N`); zero while nobody said.
    package internal(set) var slots: Int {
        get { self.slotCount.load(ordering: .relaxed) }
        set { self.slotCount.store(newValue, ordering: .relaxed) }
    }
    private let slotCount = Atomic(0)
    /// The name in its cluster's replica table.
    package let id: ReplicaID
    /// Position among all replicas of the process, for tables that each loop keeps.
    package let slot: Int
    package let endpoint: Endpoint
    package let weight: Int
    /// Upstream connections of all loops that are open or opening.
    package let connections: Gauge

    package init(id: ReplicaID, slot: Int, endpoint: Endpoint, weight: Int, connections: Gauge) {
        self.id = id
        self.slot = slot
        self.endpoint = endpoint
        self.weight = weight
        self.connections = connections
    }

    /// The address as operators wrote it: logs, metrics and callers know the replica by it.
    package var name: String { self.endpoint.description }

    func connectionOpened() { self.connections.add() }
    func connectionClosed() { self.connections.subtract() }
}
