internal import Synchronization

/// Gives each replica of the process a slot of its own for as long as it is there, so that every loop can keep its share of
/// it in an array. Slots are used again, the lowest first; the serial that comes with one never is.
///
/// Made by the program and shared by its clusters. Safe to use from every thread; never on the path of a stream.
public final class ReplicaSlots: Sendable {
    private struct State {
        /// Below `end`, those that nobody has.
        var free: Set<Int> = []
        var end = 0
        var lastSerial: UInt64 = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Slots that are lent out.
    public var inUse: Int { self.state.withLock { $0.end - $0.free.count } }

    func take() -> (slot: Int, serial: UInt64) {
        self.state.withLock { state in
            state.lastSerial += 1
            if let slot = state.free.min() {
                state.free.remove(slot)
                return (slot, state.lastSerial)
            }
            state.end += 1
            return (state.end - 1, state.lastSerial)
        }
    }

    /// No loop keeps anything of the replica any more.
    func giveBack(_ slot: Int) {
        self.state.withLock { state in
            let isNew = slot < state.end && state.free.insert(slot).inserted
            precondition(isNew, "a slot is given back once")
        }
    }
}
