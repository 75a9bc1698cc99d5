internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// Opens links to endpoints.
package enum Connector {
    /// Starts a connect. The link's handler hears `linkOpened`, or `linkClosed(.connectFailed)` in a later turn.
    /// - Parameter timeoutMs: of the connect, and once more of the TLS handshake.
    /// - Parameter tls: the link opens when the handshake is over; nil means cleartext.
    package static func connect(_ link: Link, to endpoint: Endpoint, timeoutMs: Int, tls: TLSContext? = nil) {
        let loop = link.loop
        loop.preconditionIsCurrent()
        let bound = LoopBound(link, on: loop)
        let bootstrap = ClientBootstrap(group: loop.eventLoop)
            .connectTimeout(.milliseconds(Int64(timeoutMs)))
            .configured()
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(tls.clientHandler(to: endpoint)) }
                    let limit = tls.map { _ in TimeAmount.milliseconds(Int64(timeoutMs)) }
                    try pipeline.addHandler(LinkChannelHandler(bound.value, handshakeLimit: limit))
                }
            }
        let future =
            switch endpoint.kind {
            case .host(let host, let port): bootstrap.connect(host: host, port: port)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        future.whenFailure { error in
            bound.value.connectFailed(ConnectFailure(error))
        }
    }
}

extension ConnectFailure {
    /// Sorts NIO's errors into what the proxy acts on.
    init(_ error: any Error) {
        switch error {
        case let error as IOError where error.errnoCode == ECONNREFUSED || error.errnoCode == ENOENT: self = .refused
        case let error as IOError where error.errnoCode == ETIMEDOUT: self = .timedOut
        case let error as NIOConnectionError:
            let refused = error.connectionErrors.contains { ($0.error as? IOError)?.errnoCode == ECONNREFUSED }
            self = refused ? .refused : .unreachable("\(error)")
        case ChannelError.connectTimeout: self = .timedOut
        case is NIOSSLExtraError: self = .tls(TLSFailure(error))
        default: self = .unreachable("\(error)")
        }
    }
}

extension Endpoint {
    var isTCP: Bool {
        switch self.kind {
        case .host: true
        case .unix: false
        }
    }
}

extension ClientBootstrap {
    /// Options of both legs, see `reference/performance.md`: one read per turn into a region of fixed size.
    func configured() -> ClientBootstrap {
        self.channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.recvAllocator, value: ReadBufferSize())
    }
}
