internal import Glibc

/// Making sockets that listen.
enum ListeningSocket {
    /// A socket that is bound to the first address of `host` and does not listen yet. The caller owns the descriptor.
    static func bind(_ host: String, _ port: Int) async throws(ListenFailure) -> CInt {
        let address = try await self.address(host, port)
        let descriptor = socket(address.family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ListenFailure("no socket can be made: \(SystemError.last)") }
        // A port whose last connections are still being forgotten is free.
        SocketOption.reuseAddress.set(descriptor)
        // `::` takes IPv4 as well, whatever the system's default is.
        if address.family == AF_INET6 { SocketOption.onlyIPv6.set(descriptor, to: 0) }
        guard unsafe address.withPointer({ unsafe Glibc.bind(descriptor, $0, $1) }) == 0 else {
            defer { close(descriptor) }
            throw ListenFailure("the address cannot be bound: \(SystemError.last)")
        }
        return descriptor
    }

    /// Listens, or listens on with another backlog. Closes the descriptor when that fails.
    static func listen(_ descriptor: CInt, backlog: Int) throws(ListenFailure) {
        // Of a UNIX socket there is nothing to hold back.
        SocketOption.noDelay.set(descriptor)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        guard Glibc.listen(descriptor, CInt(clamping: backlog)) == 0 else {
            defer { close(descriptor) }
            throw ListenFailure("the socket cannot listen: \(SystemError.last)")
        }
    }

    private static func address(_ host: String, _ port: Int) async throws(ListenFailure) -> SocketAddress {
        if let address = SocketAddress.literal(host, port: port) { return address }
        let result = await withCheckedContinuation { continuation in
            Connector.resolve(host, port) { continuation.resume(returning: $0) }
        }
        switch result {
        case .success(let addresses): return addresses[0]
        case .failure(let unresolved): throw ListenFailure(unresolved.text)
        }
    }
}

/// Why an address cannot be listened on.
struct ListenFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
