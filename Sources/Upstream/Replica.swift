public import Routing
import Synchronization
public import Telemetry
public import Transport

/// One worker process: its address, and what is counted about it. State that decisions are made from is the cluster's.
public final class Replica: Sendable {
    /// Requests that it works on side by side, as the options of its LoadModel say (`parallel:N`); zero while nobody said.
    public internal(set) var slots: Int {
        get { self.slotCount.load(ordering: .relaxed) }
        set { self.slotCount.store(newValue, ordering: .relaxed) }
    }
    private let slotCount = Atomic(0)
    /// The name in its cluster's replica table.
    public let id: ReplicaID
    /// Where its cluster keeps it; used again when it is gone.
    let place: Int
    /// Position among all replicas of the process, for tables that each loop keeps; used again when it is gone.
    public let slot: Int
    /// Different for every replica of the process that ever was: tells who has the slot.
    public let serial: UInt64
    public let endpoint: Endpoint
    /// Upstream connections of all loops that are open or opening.
    public let connections: Gauge
    private let hasLeft = Atomic(false)

    init(id: ReplicaID, place: Int, slot: Int, serial: UInt64, endpoint: Endpoint, connections: Gauge) {
        self.id = id
        self.place = place
        self.slot = slot
        self.serial = serial
        self.endpoint = endpoint
        self.connections = connections
    }

    /// Whether its cluster has let go of it. Once true, always true: what is learned about it then changes nothing.
    public var isGone: Bool { self.hasLeft.load(ordering: .acquiring) }
    func left() { self.hasLeft.store(true, ordering: .releasing) }

    /// The address as operators wrote it: logs, metrics and callers know the replica by it.
    public var name: String { self.endpoint.description }

    func connectionOpened() { self.connections.add() }
    func connectionClosed() { self.connections.subtract() }
}
