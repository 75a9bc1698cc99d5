import Transport

/// Which inherited socket takes the place of which listener of the configuration. A value; nothing is opened or closed here.
struct SocketPlan: Sendable {
    /// For each listener its socket; nil where it has to bind one.
    private(set) var listeners: [InheritedSocket?]
    private(set) var admin: InheritedSocket?
    /// Listeners whose UNIX socket's file is ours to remove once we have taken over.
    private(set) var ownedFiles: [Bool]
    /// Sockets that nothing in the configuration is for.
    private(set) var spare: [InheritedSocket] = []

    /// The name by which a service manager gives the admin port (`FileDescriptorName=admin`).
    static let adminName = "admin"

    /// A socket is taken by how the predecessor's configuration called it, else by its name, else by its address.
    /// - Parameter predecessor: what the process whose place we take says of the sockets, in their order; nil when they
    ///   come from a service manager.
    init(
        listeners: [ListenerSettings], admin: Endpoint?, sockets: [InheritedSocket], predecessor: [HandoverSocket]?
    ) {
        self.listeners = listeners.map { _ in nil }
        self.ownedFiles = listeners.map { _ in false }
        let said = predecessor ?? []
        var free = Array(sockets.indices)
        func take(where isMeant: (Int) -> Bool) -> Int? {
            free.firstIndex(where: isMeant).map { free.remove(at: $0) }
        }
        func isCalled(_ index: Int, _ role: HandoverSocket.Role, _ address: Endpoint) -> Bool {
            index < said.count && said[index].role == role && said[index].address == address.description
        }
        let ways: [(_ index: Int, _ listener: ListenerSettings) -> Bool] = [
            { isCalled($0, .listener, $1.address) },
            { $1.socketName != nil && sockets[$0].name == $1.socketName },
            { sockets[$0].serves($1.address) },
        ]
        let adminWays: [(_ index: Int, _ address: Endpoint) -> Bool] = [
            { isCalled($0, .admin, $1) },
            { index, _ in sockets[index].name == Self.adminName },
            { sockets[$0].serves($1) },
        ]
        for (way, adminWay) in zip(ways, adminWays) {
            for position in listeners.indices where self.listeners[position] == nil {
                guard let index = take(where: { way($0, listeners[position]) }) else { continue }
                self.listeners[position] = sockets[index]
                self.ownedFiles[position] = index < said.count && said[index].ownsFile
            }
            if let admin, self.admin == nil, let index = take(where: { adminWay($0, admin) }) {
                self.admin = sockets[index]
            }
        }
        self.spare = free.map { sockets[$0] }
    }

    /// Why the process cannot serve with sockets that nothing in the configuration is for. Nil when there are none.
    var problem: String? {
        guard !self.spare.isEmpty else { return nil }
        let which = self.spare.map { $0.name.isEmpty ? "\($0.endpoint)" : "\($0.endpoint) (\($0.name))" }
        return "inherited sockets that no listener is for, and neither is the admin port: "
            + which.joined(separator: ", ")
            + "; give a listener that address, or that socket_name"
    }
}
