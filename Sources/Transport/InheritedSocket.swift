internal import Glibc

/// A listening socket that whoever started us has bound: systemd's socket activation (sd_listen_fds(3)), or the process
/// whose place we take.
public struct InheritedSocket: Sendable, Equatable {
    /// Ours to use once, in a listener, or to `close`.
    public let descriptor: CInt
    /// What `LISTEN_FDNAMES` calls it; empty when it says nothing.
    public let name: String
    /// What it is bound to.
    public let endpoint: Endpoint
    /// An IPv6 socket that takes IPv4 callers as well.
    private let takesIPv4: Bool

    /// Why a descriptor cannot be listened on.
    public struct Problem: Error, CustomStringConvertible {
        public let description: String
    }

    public init(descriptor: CInt, name: String, endpoint: Endpoint, takesIPv4: Bool) {
        self.descriptor = descriptor
        self.name = name
        self.endpoint = endpoint
        self.takesIPv4 = takesIPv4
    }

    /// The first inherited descriptor (SD_LISTEN_FDS_START).
    public static let first: CInt = 3
    /// More sockets than any configuration has listeners: a count beyond it is nonsense.
    private static let most = 1_024

    /// The sockets that the environment speaks of; none when it speaks to another process.
    /// Throws when what it says is not true.
    /// - Parameter variables: `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`, as far as they are there.
    public static func all(
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
    public init(descriptor: CInt, name: String) throws(Problem) {
        let which = "inherited descriptor \(descriptor)\(name.isEmpty ? "" : " (\(name))")"
        guard SocketOption.kind.get(descriptor) == CInt(SOCK_STREAM.rawValue) else {
            throw Problem(description: "\(which) is no stream socket")
        }
        guard SocketOption.isListening.get(descriptor) == 1 else {
            throw Problem(description: "\(which) does not listen; Accept= of a socket unit has to be no")
        }
        guard let endpoint = Self.endpoint(of: descriptor) else {
            throw Problem(description: "\(which) is bound to neither a TCP port nor a UNIX socket with a path")
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.init(
            descriptor: descriptor, name: name, endpoint: endpoint,
            takesIPv4: SocketOption.onlyIPv6.get(descriptor) == 0)
    }

    /// Whether binding `address` would have made a socket like this one: the same path, or the same port on the address
    /// that the host means. One that is bound to all IPv6 addresses and takes IPv4 too is one for `0.0.0.0`.
    public func serves(_ address: Endpoint) -> Bool {
        switch (address.kind, self.endpoint.kind) {
        case (.unix(let wanted), .unix(let path)): return wanted == path
        case (.host(let wanted, let port), .host(let host, port: let bound)):
            guard port == bound else { return false }
            if wanted == host || (wanted == "0.0.0.0" && host == "::" && self.takesIPv4) { return true }
            let meant = try? SocketAddress.addresses(of: wanted, port: port).first
            return meant != nil && meant?.name.host == host
        case (.unix, .host), (.host, .unix): return false
        }
    }

    public func close() { _ = Glibc.close(self.descriptor) }

    private static func endpoint(of descriptor: CInt) -> Endpoint? {
        let name = SocketAddress(boundTo: descriptor)?.name
        switch name {
        case .v4, .v6: return name?.host.map { Endpoint(.host($0, port: name?.port ?? 0)) }
        case .unix(let path): return path.isEmpty ? nil : Endpoint(.unix(path))
        case .unknown, nil: return nil
        }
    }
}
