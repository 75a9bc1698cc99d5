internal import Dispatch
internal import Glibc

/// Opens links to endpoints.
public enum Connector {
    /// Starts a connect. The link's handler hears `linkOpened`, or `linkClosed(.connectFailed)`, never before this returns.
    /// - Parameter timeoutMs: of the connect, and once more of the TLS handshake.
    /// - Parameter tls: the link opens when the handshake is over; nil means cleartext.
    public static func connect(_ link: Link, to endpoint: Endpoint, timeoutMs: Int, tls: TLSContext? = nil) {
        let loop = link.loop
        loop.preconditionIsCurrent()
        let limitNs = UInt64(max(1, timeoutMs)) * 1_000_000
        let race = ConnectRace(link, to: endpoint, limitNs: limitNs, tls: tls)
        link.begins(race)
        let bound = LoopBound(race, on: loop)
        switch endpoint.kind {
        case .unix(let path):
            let address = SocketAddress(path: path)
            loop.execute { bound.value.run(to: address.map { [$0] } ?? [], otherwise: ENAMETOOLONG) }
        case .host(let host, let port):
            if let address = SocketAddress.literal(host, port: port) {
                loop.execute { bound.value.run(to: [address], otherwise: EADDRNOTAVAIL) }
            } else {
                Self.resolve(host, port) { result in
                    loop.execute {
                        switch result {
                        case .success(let addresses): bound.value.run(to: addresses, otherwise: EADDRNOTAVAIL)
                        case .failure(let unresolved): bound.value.fails(.unreachable(unresolved.text))
                        }
                    }
                }
            }
        }
    }

    /// Asks the system on a thread that may block.
    static func resolve(
        _ host: String, _ port: Int,
        _ then: @escaping @Sendable (Result<[SocketAddress], SocketAddress.Unresolved>) -> Void
    ) {
        DispatchQueue.global().async {
            then(
                Result { () throws(SocketAddress.Unresolved) in
                    try SocketAddress.addresses(of: host, port: port)
                })
        }
    }
}
