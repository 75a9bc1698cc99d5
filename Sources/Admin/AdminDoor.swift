import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// The listening socket of the admin port: bound by us or inherited, handed on to the process that takes our place, closed
/// once. Its connections outlive it.
package final class AdminDoor: Sendable {
    private struct State {
        var inherited: CInt?
        var listening: (any Channel)?
        var isClosed = false
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    /// How long the last answers may take once the door is closed for good.
    private static let lastWords = TimeAmount.seconds(1)
    private let state: Mutex<State>
    private let startsPaused: Bool

    /// - Parameters:
    ///   - inherited: a socket that listens already; it is ours to close.
    ///   - isPaused: nobody is let in until `resume`.
    package init(inherited: CInt? = nil, isPaused: Bool = false) {
        self.state = Mutex(State(inherited: inherited))
        self.startsPaused = isPaused
    }

    /// Lets nobody in until `resume`; who knocks waits.
    package func pause() async { await self.accept(false) }
    package func resume() async { await self.accept(true) }

    private func accept(_ isOpen: Bool) async {
        let listening = self.state.withLock { $0.listening }
        // The only error is that it is closed.
        try? await listening?.setOption(.autoRead, value: isOpen).get()
    }

    /// A second descriptor of the socket; the caller closes it. Nil while nothing listens.
    package func duplicate() async -> CInt? {
        guard let listening = self.state.withLock({ $0.listening }) else { return nil }
        let copy = try? await listening.eventLoop.submit {
            try listening.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                dup($0)
            }
        }.get()
        guard let copy = copy ?? nil, copy >= 0 else { return nil }
        return copy
    }

    /// Accepts no more connections; those that are open end with their next answer.
    package func close() async {
        let (listening, connections) = self.state.withLock { state in
            defer { state.listening = nil }
            state.isClosed = true
            return (state.listening, Array(state.connections.values))
        }
        // The only error is that it is closed already.
        try? await listening?.close().get()
        for connection in connections {
            connection.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    /// Closes, and cuts after a second what is still open: readers that follow us have to find our successor.
    package func closeForSuccessor() async {
        await self.close()
        for connection in self.state.withLock({ Array($0.connections.values) }) {
            connection.eventLoop.scheduleTask(in: Self.lastWords) { connection.close(promise: nil) }
        }
    }

    // MARK: For the server

    /// Binds, or takes the inherited socket, and accepts.
    func open(_ bootstrap: ServerBootstrap, at address: AdminAddress, backlog: CInt) async throws -> any Channel {
        let inherited = self.state.withLock { state in
            defer { state.inherited = nil }
            return state.inherited
        }
        let bootstrap = bootstrap.serverChannelOption(.autoRead, value: !self.startsPaused)
        let channel: any Channel
        if let inherited {
            channel = try await bootstrap.withBoundSocket(inherited).get()
            _ = listen(inherited, backlog)
        } else {
            channel = try await bootstrap.bind(host: address.host, port: address.port).get()
        }
        let isClosed = self.state.withLock { state in
            state.listening = channel
            return state.isClosed
        }
        if isClosed { await self.close() }
        return channel
    }

    func connected(_ connection: any Channel) {
        let identity = ObjectIdentifier(connection)
        self.state.withLock { $0.connections[identity] = connection }
        connection.closeFuture.whenComplete { [weak self] _ in
            self?.state.withLock { _ = $0.connections.removeValue(forKey: identity) }
        }
    }
}
