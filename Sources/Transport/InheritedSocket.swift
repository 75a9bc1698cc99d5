internal import Glibc
internal import NIOCore

/// A listening socket that whoever started us has bound: systemd's socket activation (sd_listen_fds(3)), or the process
/// whose place we take.
package struct InheritedSocket: Sendable, Equatable {
    /// Ours to use once, in a listener, or to `close`.
    package let descriptor: CInt
    /// What `LISTEN_FDNAMES` calls it; empty when it says nothing.
    package let name: String
    /// What it is bound to.
    package let endpoint: Endpoint
    /// An IPv6 socket that takes IPv4 callers as well.
    private let takesIPv4: Bool

    /// Why a descriptor cannot be listened on.
    package struct Problem: Error, CustomStringConvertible {
        package let description: String
    }

    package init(descriptor: CInt, name: String, endpoint: Endpoint, takesIPv4: Bool) {
        self.descriptor = descriptor
        self.name = name
        self.endpoint = endpoint
        self.takesIPv4 = takesIPv4
    }

    /// The first inherited descriptor (SD_LISTEN_FDS_START).
    package static let first: CInt = 3
    /// More sockets than any configuration has listeners: a count beyond it is nonsense.
    private static let most = 1_024

    /// The sockets that the environment speaks of; none when it speaks to another process.
    /// Throws when what it says is not true.
    /// - Parameter variables: `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`, as far as they are there.
    package static func all(
        by variables: [String: String], pid: CInt = ProcessEnvironment.pid
    ) throws(Problem) -> [InheritedSocket] {
        guard let count = variables["LISTEN_FDS"], variables["LISTEN_PID"] == "\(pid)" else { return [] }
        guard let count = Int(count), (0...self.most).contains(count) else {
            throw Problem(description: "LISTEN_FDS is no number of sockets: \(count)")
        }
        let names = variables["LISTEN_FDNAMES"]?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        var sockets: [InheritedSocket] = []
        for index in 0..<count {
            let name = index < names.count ? String(names[index]) : ""
            sockets.append(try Self(descriptor: self.first + CInt(index), name: name))
        }
        return sockets
    }

    /// Throws when it is no listening stream socket of IPv4, IPv6 or a UNIX path.
    package init(descriptor: CInt, name: String) throws(Problem) {
        let which = "inherited descriptor \(descriptor)\(name.isEmpty ? "" : " (\(name))")"
        guard Self.option(descriptor, SO_TYPE) == CInt(SOCK_STREAM.rawValue) else {
            throw Problem(description: "\(which) is no stream socket")
        }
        guard Self.option(descriptor, SO_ACCEPTCONN) == 1 else {
            throw Problem(description: "\(which) does not listen; Accept= of a socket unit has to be no")
        }
        guard let endpoint = Self.endpoint(of: descriptor) else {
            throw Problem(description: "\(which) is bound to neither a TCP port nor a UNIX socket with a path")
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.init(
            descriptor: descriptor, name: name, endpoint: endpoint,
            takesIPv4: Self.option(descriptor, IPV6_V6ONLY, level: CInt(IPPROTO_IPV6)) == 0)
    }

    /// Whether binding `address` would have made a socket like this one: the same path, or the same port on the address
    /// that the host means. One that is bound to all IPv6 addresses and takes IPv4 too is one for `0.0.0.0`.
    package func serves(_ address: Endpoint) -> Bool {
        switch (address.kind, self.endpoint.kind) {
        case (.unix(let wanted), .unix(let path)): return wanted == path
        case (.host(let wanted, let port), .host(let host, port: let bound)):
            guard port == bound else { return false }
            if wanted == host || (wanted == "0.0.0.0" && host == "::" && self.takesIPv4) { return true }
            let meant = try? SocketAddress.makeAddressResolvingHost(wanted, port: port)
            return meant != nil && meant?.ipAddress == host
        case (.unix, .host), (.host, .unix): return false
        }
    }

    package func close() { _ = Glibc.close(self.descriptor) }

    private static func option(_ descriptor: CInt, _ name: CInt, level: CInt = SOL_SOCKET) -> CInt? {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(descriptor, level, name, &value, &length) == 0 ? value : nil
    }

    private static func endpoint(of descriptor: CInt) -> Endpoint? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            let pointer = unsafe UnsafeMutableRawPointer(pointer)
            let address = unsafe pointer.assumingMemoryBound(to: sockaddr.self)
            guard unsafe getsockname(descriptor, address, &length) == 0 else { return nil }
            switch CInt(unsafe address.pointee.sa_family) {
            case AF_INET:
                let bound = unsafe SocketAddress(pointer.assumingMemoryBound(to: sockaddr_in.self).pointee)
                return bound.ipAddress.map { Endpoint(.host($0, port: bound.port ?? 0)) }
            case AF_INET6:
                let bound = unsafe SocketAddress(pointer.assumingMemoryBound(to: sockaddr_in6.self).pointee)
                return bound.ipAddress.map { Endpoint(.host($0, port: bound.port ?? 0)) }
            case AF_UNIX:
                let head = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
                let path = unsafe pointer.advanced(by: head).assumingMemoryBound(to: CChar.self)
                guard Int(length) > head, unsafe path.pointee != 0 else { return nil }
                let room = Int(length) - head
                let bytes = unsafe UnsafeRawBufferPointer(start: path, count: room).prefix { $0 != 0 }
                return Endpoint(.unix(unsafe String(decoding: bytes, as: UTF8.self)))
            default: return nil
            }
        }
    }
}
