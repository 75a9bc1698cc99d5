internal import NIOCore
internal import NIOPosix

/// A bound address that accepts links and spreads them over the loops in turn.
///
/// The port is bound once, without SO_REUSEPORT, so a port that another process uses is an error and not a silent share.
package final class Listener: Sendable {
    /// What is bound, with the real port when port 0 was asked for.
    package let endpoint: Endpoint
    private let channel: any Channel

    private init(endpoint: Endpoint, channel: any Channel) {
        self.endpoint = endpoint
        self.channel = channel
    }

    /// Binds and accepts. `makeHandler` is called on a link's loop and returns what goes on top of it; it may keep the link.
    /// Throws when the address cannot be bound.
    package static func bind(
        _ endpoint: Endpoint, on group: LoopGroup, backlog: Int = 4_096,
        makeHandler: @escaping @Sendable (Loop) -> any LinkHandler & LinkOwner
    ) async throws -> Listener {
        let bootstrap = ServerBootstrap(group: group.group)
            .serverChannelOption(.backlog, value: Int32(backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: endpoint.isTCP ? 1 : 0)
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 * 1024))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let loop = group.loop(of: channel.eventLoop)
                    let handler = makeHandler(loop)
                    let link = Link(on: loop, handler: handler)
                    handler.own(link)
                    try channel.pipeline.syncOperations.addHandler(LinkChannelHandler(link))
                }
            }
        let channel =
            switch endpoint.kind {
            case .host(let host, let port): try await bootstrap.bind(host: host, port: port).get()
            case .unix(let path):
                try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            }
        return Listener(endpoint: endpoint.bound(to: channel.localAddress), channel: channel)
    }

    /// Stops accepting. Links that were accepted stay open.
    package func close() async {
        // The only error is that it is closed already.
        try? await self.channel.close().get()
    }
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
