public import Routing
internal import Synchronization

/// The last picks of one loop, and what every replica was sent by it.
///
/// The loop writes, the admin port reads, under one short lock that nobody else takes: a pick copies plain values into
/// memory that is there from the start. Safe to use from every thread.
public final class DecisionLog: Sendable {
    private struct State {
        var records: ContiguousArray<PickRecord>
        var count: UInt64 = 0
        /// By slot of the replica; grows when a new one is seen.
        var traffic = ContiguousArray<ReplicaTraffic>()
    }

    private let state: Mutex<State>
    private let capacity: Int

    /// - Parameter capacity: picks that are kept, at least 1.
    public init(capacity: Int = 512) {
        self.capacity = max(1, capacity)
        self.state = Mutex(State(records: ContiguousArray(repeating: PickRecord(), count: self.capacity)))
    }

    /// Keeps a pick. Returns its serial, which names it when its answer comes.
    public func picked(_ decision: PickDecision, _ call: PickedCall) -> UInt64 {
        self.state.withLock { state in
            state.count += 1
            let place = Int(state.count % UInt64(self.capacity))
            state.records[place].take(decision, call, serial: state.count)
            while state.traffic.count <= call.slot { state.traffic.append(ReplicaTraffic()) }
            // The slot's last owner is gone.
            if state.traffic[call.slot].owner != call.owner {
                state.traffic[call.slot] = ReplicaTraffic(owner: call.owner)
            }
            state.traffic[call.slot].count(decision)
            return state.count
        }
    }

    /// The first whole message of the answer has come. A pick that is not kept any more counts all the same.
    /// - Parameters:
    ///   - slot: the picked replica's, which `owner` has.
    ///   - countsAsFirstToken: whether it was a streamed answer to a prompt.
    public func answered(
        _ serial: UInt64, slot: Int, owner: UInt64, after nanoseconds: UInt64, countsAsFirstToken: Bool
    ) {
        self.state.withLock { state in
            let place = Int(serial % UInt64(self.capacity))
            if state.records[place].serial == serial { state.records[place].observedNs = max(1, nanoseconds) }
            guard countsAsFirstToken, slot < state.traffic.count, state.traffic[slot].owner == owner else {
                return
            }
            state.traffic[slot].firstResponses += 1
            state.traffic[slot].firstResponseNs += Int(clamping: nanoseconds)
        }
    }

    /// The last `limit` picks, newest first.
    public func recent(_ limit: Int) -> [PickRecord] {
        self.state.withLock { state in
            let count = min(UInt64(max(0, limit)), min(state.count, UInt64(self.capacity)))
            return (0..<count).map { state.records[Int((state.count - $0) % UInt64(self.capacity))] }
        }
    }

    /// Sums by slot of the replica, each with whose they are.
    public var traffic: [ReplicaTraffic] { self.state.withLock { Array($0.traffic) } }
}
