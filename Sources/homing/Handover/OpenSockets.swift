import Admin
import Glibc
import Synchronization
import Transport

/// The sockets that this process listens on, for the one that takes its place.
final class OpenSockets: Sendable {
    /// A socket as a new process gets it.
    struct Copy: Sendable {
        let descriptor: CInt
        /// As `LISTEN_FDNAMES` has it.
        let name: String
        let socket: HandoverSocket

        func close() { _ = Glibc.close(self.descriptor) }
    }

    private struct State {
        var listeners: [(settings: ListenerSettings, listener: Listener)] = []
        var isHandedOver = false
    }

    private let state = Mutex(State())
    private let door: AdminDoor
    private let admin: Endpoint?

    /// - Parameter admin: the configured address; nil when there is no admin port.
    init(door: AdminDoor, admin: Endpoint?) {
        self.door = door
        self.admin = admin
    }

    func opened(_ settings: ListenerSettings, _ listener: Listener) {
        self.state.withLock { $0.listeners.append((settings, listener)) }
    }

    var isHandedOver: Bool { self.state.withLock { $0.isHandedOver } }

    /// Copies of all of them, which the caller closes. Nil when there are no more descriptors.
    func copies() async -> [Copy]? {
        var copies: [Copy] = []
        for (settings, listener) in self.state.withLock({ $0.listeners }) {
            guard let descriptor = await listener.duplicate() else {
                for copy in copies { copy.close() }
                return nil
            }
            let said = HandoverSocket(.listener, ownsFile: listener.ownsFile, address: settings.address.description)
            copies.append(Copy(descriptor: descriptor, name: settings.socketName ?? "listener", socket: said))
        }
        if let admin, let descriptor = await self.door.duplicate() {
            let said = HandoverSocket(.admin, ownsFile: false, address: admin.description)
            copies.append(Copy(descriptor: descriptor, name: SocketPlan.adminName, socket: said))
        }
        return copies
    }

    /// Accepts nobody for a moment; who connects waits.
    func pause() async {
        for (_, listener) in self.state.withLock({ $0.listeners }) { await listener.pause() }
        await self.door.pause()
    }

    func resume() async {
        for (_, listener) in self.state.withLock({ $0.listeners }) { await listener.resume() }
        await self.door.resume()
    }

    /// Another process listens on them now: this one stops, and leaves the files where they are.
    func handOver() async {
        let listeners = self.state.withLock { state in
            state.isHandedOver = true
            return state.listeners.map(\.listener)
        }
        for listener in listeners {
            listener.leaveFile()
            await listener.close()
        }
        await self.door.closeForSuccessor()
    }

    /// The process that listened on them is gone, or stops now: the files that were its are ours.
    /// - Parameter owned: for each listener whether the file was the predecessor's to remove.
    func takeFiles(_ owned: [Bool]) {
        for ((_, listener), isOwned) in zip(self.state.withLock({ $0.listeners }), owned) where isOwned {
            listener.takeFile()
        }
    }
}
