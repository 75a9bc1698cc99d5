internal import Glibc

/// An address as the kernel takes and gives it.
struct SocketAddress: Sendable {
    private var storage = sockaddr_storage()
    private(set) var length: socklen_t = 0

    var family: CInt { CInt(self.storage.ss_family) }

    /// Of a UNIX socket; nil when the path does not fit.
    init?(path: String) {
        var address = sockaddr_un()
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe withUnsafeMutableBytes(of: &self.storage) { unsafe $0.copyMemory(from: bytes) }
        }
        self.length = socklen_t(MemoryLayout<sockaddr_un>.size)
    }

    /// What `call` fills in, as accept(2) and getsockname(2) do; nil when it returns a negative number.
    init?(_ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt) {
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &self.storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call($0, &length) }
        }
        guard result >= 0 else { return nil }
        self.length = length
    }

    /// What `descriptor` is bound to.
    init?(boundTo descriptor: CInt) {
        unsafe self.init { unsafe getsockname(descriptor, $0, $1) }
    }

    private init(_ pointer: UnsafePointer<sockaddr>, length: socklen_t) {
        unsafe withUnsafeMutableBytes(of: &self.storage) { room in
            unsafe room.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(Int(length), room.count)))
        }
        self.length = length
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        unsafe withUnsafePointer(to: self.storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, self.length) }
        }
    }

    // MARK: From names

    /// A host that the system does not know, in its words.
    struct Unresolved: Error {
        let text: String
    }

    /// The address that `host` is one; nil for a name. Does not block.
    static func literal(_ host: String, port: Int) -> SocketAddress? {
        guard IPAddressText.isV4(host) || IPAddressText.isV6(host) else { return nil }
        return try? self.addresses(of: host, port: port, flags: AI_NUMERICHOST).first
    }

    /// The addresses of `host`, at least one, in the order in which the system would try them. Blocks, for as long as
    /// name servers take.
    static func addresses(of host: String, port: Int, flags: CInt = 0) throws(Unresolved) -> [SocketAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = flags | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let result = unsafe getaddrinfo(host, "\(port)", &hints, &found)
        guard result == 0 else {
            throw Unresolved(text: "\(host): \(unsafe String(cString: gai_strerror(result)))")
        }
        defer { unsafe freeaddrinfo(found) }
        var addresses: [SocketAddress] = []
        var next = unsafe found
        while let entry = unsafe next {
            if let address = unsafe entry.pointee.ai_addr {
                unsafe addresses.append(SocketAddress(address, length: entry.pointee.ai_addrlen))
            }
            unsafe next = entry.pointee.ai_next
        }
        guard !addresses.isEmpty else { throw Unresolved(text: "\(host): no address") }
        return addresses
    }

    // MARK: As text

    var name: PeerName {
        unsafe withUnsafeBytes(of: self.storage) { bytes in
            switch self.family {
            case AF_INET:
                let address = unsafe bytes.load(as: sockaddr_in.self)
                return .v4(address.sin_addr.s_addr, port: UInt16(bigEndian: address.sin_port))
            case AF_INET6:
                let address = unsafe bytes.load(as: sockaddr_in6.self)
                return .v6(address.sin6_addr, port: UInt16(bigEndian: address.sin6_port))
            case AF_UNIX:
                let head = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
                let path = unsafe bytes[min(head, Int(self.length))..<min(Int(self.length), bytes.count)]
                return .unix(unsafe String(decoding: path.prefix { $0 != 0 }, as: UTF8.self))
            default: return .unknown
            }
        }
    }
}

/// Who is at the other end, as few bytes as long as nobody asks.
enum PeerName: Sendable {
    case unknown
    /// In the order of the network.
    case v4(in_addr_t, port: UInt16)
    case v6(in6_addr, port: UInt16)
    /// Empty for a socket without a path, as a caller's end has none.
    case unix(String)

    /// The address without a port; nil when there is none.
    var host: String? {
        switch self {
        case .v4(var address, _): return unsafe Self.text(AF_INET, &address)
        case .v6(var address, _): return unsafe Self.text(AF_INET6, &address)
        case .unix, .unknown: return nil
        }
    }

    var port: Int? {
        switch self {
        case .v4(_, let port), .v6(_, let port): Int(port)
        case .unix, .unknown: nil
        }
    }

    /// For logs: `host:port`, `[v6]:port`, `unix:/path`, `unix` or `unknown`.
    var text: String {
        switch self {
        case .unknown: "unknown"
        case .v4(_, let port): "\(self.host ?? "unknown"):\(port)"
        case .v6(_, let port): "[\(self.host ?? "unknown")]:\(port)"
        case .unix(let path): path.isEmpty ? "unix" : "unix:\(path)"
        }
    }

    private static func text(_ family: CInt, _ address: UnsafeRawPointer) -> String? {
        let room = Int(INET6_ADDRSTRLEN)
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: room) { buffer in
            guard unsafe inet_ntop(family, address, buffer.baseAddress!, socklen_t(room)) != nil else { return nil }
            return unsafe String(cString: buffer.baseAddress!)
        }
    }
}
