internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A bound address that accepts links and spreads them over the loops in turn.
///
/// A port is bound once, without SO_REUSEPORT, so a port that another process uses is an error and not a silent share.
/// The same holds for a UNIX socket; one that nobody listens on any more is replaced. A socket that whoever started us has
/// bound takes the place of one of our own, and its file is not ours until `takeFile`.
package final class Listener: Sendable {
    /// What is bound, with the real port when port 0 was asked for.
    package let endpoint: Endpoint
    private let channel: any Channel
    private let group: LoopGroup
    /// Nil when there is none, or it is somebody else's to remove.
    private let file: Mutex<UnixSocketFile?>

    private init(endpoint: Endpoint, on group: LoopGroup, channel: any Channel, file: UnixSocketFile?) {
        self.endpoint = endpoint
        self.group = group
        self.channel = channel
        self.file = Mutex(file)
    }

    /// Binds and accepts. `makeHandler` is called on a link's loop and returns what goes on top of it; it may keep the link.
    /// Throws when the address cannot be bound.
    /// - Parameter tls: links open when their handshake is over; nil means cleartext.
    /// - Parameter unixPermissions: who may connect to a UNIX socket, as `chmod` has it.
    /// - Parameter inherited: is used instead of a socket of our own; it is ours to close from now on.
    /// - Parameter isPaused: nobody is accepted until `resume`.
    package static func bind(
        _ endpoint: Endpoint, on group: LoopGroup, backlog: Int = 4_096, tls: TLSContext? = nil,
        unixPermissions: UInt32 = 0o660, inherited: InheritedSocket? = nil,
        isPaused: Bool = false, makeHandler: @escaping @Sendable (Loop) -> any LinkHandler & LinkOwner
    ) async throws -> Listener {
        let bootstrap = ServerBootstrap(group: group.group)
            .serverChannelOption(.backlog, value: Int32(backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: endpoint.isTCP ? 1 : 0)
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .serverChannelOption(.autoRead, value: !isPaused)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: ReadBufferSize())
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let loop = group.loop(of: channel.eventLoop)
                    let handler = makeHandler(loop)
                    let link = Link(on: loop, handler: handler, isAccepted: true)
                    handler.own(link)
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(tls.serverHandler()) }
                    try pipeline.addHandler(LinkChannelHandler(link, handshakeLimit: tls?.serverHandshakeLimit))
                }
            }
        if let inherited {
            let channel = try await bootstrap.withBoundSocket(inherited.descriptor).get()
            _ = listen(inherited.descriptor, CInt(backlog))
            return Listener(
                endpoint: endpoint.bound(to: channel.localAddress), on: group, channel: channel, file: nil)
        }
        switch endpoint.kind {
        case .host(let host, let port):
            let channel = try await bootstrap.bind(host: host, port: port).get()
            return Listener(
                endpoint: endpoint.bound(to: channel.localAddress), on: group, channel: channel, file: nil)
        case .unix(let path):
            let (descriptor, file) = try await UnixSocketFile.bind(path, permissions: unixPermissions, on: group)
            do {
                let channel = try await bootstrap.withBoundSocket(descriptor).get()
                // NIO listens with a backlog of its own on a socket that it did not bind; a second call makes it ours.
                _ = listen(descriptor, CInt(backlog))
                return Listener(endpoint: endpoint, on: group, channel: channel, file: file)
            } catch {
                file.remove()
                throw error
            }
        }
    }

    /// Stops accepting. Links that were accepted stay open.
    package func close() async {
        // First, so that no caller finds a socket that does not answer.
        self.file.withLock { $0 }?.remove()
        // NIO cuts connections that are on their way from the accepting loop to their own when the listener closes.
        await self.pause()
        // The only error is that it is closed already.
        try? await self.channel.close().get()
    }
}

extension Listener {
    /// Accepts nobody until `resume`; who connects waits. Links that were accepted have reached their loops when this returns.
    package func pause() async {
        try? await self.channel.setOption(.autoRead, value: false).get()
        for loop in self.group.loops { await loop.run {} }
        // What the loops had to say of them has been heard.
        try? await self.channel.eventLoop.submit {}.get()
    }

    package func resume() async { try? await self.channel.setOption(.autoRead, value: true).get() }

    /// A second descriptor of the socket, for a process that takes our place. The caller closes it. Nil when it is closed,
    /// and when there are no more descriptors.
    package func duplicate() async -> CInt? {
        let channel = self.channel
        let copy = try? await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                fcntl($0, F_DUPFD_CLOEXEC, 3)
            }
        }.get()
        guard let copy = copy ?? nil, copy >= 0 else { return nil }
        return copy
    }

    /// Whether `close` removes the file of a UNIX socket.
    package var ownsFile: Bool { self.file.withLock { $0 != nil } }

    /// The file of an inherited UNIX socket is ours to remove from now on.
    package func takeFile() {
        guard case .unix(let path) = self.endpoint.kind else { return }
        self.file.withLock { $0 = UnixSocketFile(path: path) }
    }

    /// The file is another process's from now on.
    package func leaveFile() { self.file.withLock { $0 = nil } }
}

/// A handler that keeps the link it was made for.
package protocol LinkOwner: AnyObject {
    /// Called once, before the link opens.
    func own(_ link: Link)
}

extension Endpoint {
    /// The same endpoint with the port that the kernel chose.
    fileprivate func bound(to address: SocketAddress?) -> Endpoint {
        switch self.kind {
        case .host(let host, let port): Endpoint(.host(host, port: address?.port ?? port))
        case .unix: self
        }
    }
}
