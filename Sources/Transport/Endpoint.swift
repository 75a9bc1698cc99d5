/// Where something listens or is reached: a host with a port, or a UNIX socket. A value; nothing is resolved here.
///
/// Written as `host:port`, `[v6]:port` or `unix:/path`; `dns:///host:port` and `unix:///path`, as gRPC writes names,
/// are read too. Two endpoints are equal when they are written alike after that (host names are lower case); names that
/// resolve to one address are not.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// An IPv4 address, an IPv6 address without brackets, or a DNS name. Port 0 to 65535; 0 lets the system choose
        /// the port of a listener.
        case host(String, port: Int)
        /// An absolute path of at most `longestPath` bytes.
        case unix(String)
    }

    public let kind: Kind

    /// Room for a path in `sockaddr_un` on Linux, without the final zero.
    public static let longestPath = 107

    /// An endpoint that is known to be one, such as an address that the system told. Not checked.
    public init(_ kind: Kind) {
        self.kind = kind
    }

    /// Reads what an operator wrote, or says what is wrong with it.
    public init(parsing text: String) throws(EndpointProblem) {
        guard !text.isEmpty else { throw .empty }
        if text.hasPrefix("unix:") {
            self.kind = .unix(try Self.path(text.dropFirst("unix:".count)))
            return
        }
        guard text.unicodeScalars.allSatisfy({ $0.isASCII && $0.value > 0x20 && $0.value != 0x7F }) else {
            throw .strangeCharacter
        }
        if text.hasPrefix("dns:") {
            self.kind = try Self.hostAndPort(Self.name(text.dropFirst("dns:".count)))
        } else if let scheme = text.firstRange(of: "://") {
            throw .unknownScheme(String(text[..<scheme.lowerBound]))
        } else {
            self.kind = try Self.hostAndPort(text[...])
        }
    }

    /// `host:port`, `[v6]:port` or `unix:/path`, which parse to this endpoint again.
    public var description: String {
        switch self.kind {
        case .host(let host, let port) where host.contains(":"): "[\(host)]:\(port)"
        // Hosts of these names would be taken for a scheme.
        case .host(let host, let port) where host == "dns" || host == "unix": "dns:///\(host):\(port)"
        case .host(let host, let port): "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// What requests to it carry as `:authority`; a UNIX socket has none of its own (as gRPC's clients do it).
    public var authority: String {
        switch self.kind {
        // The zone of an IPv6 address means something on this system only.
        case .host(let host, let port) where host.contains(":"): "[\(host.prefix { $0 != "%" })]:\(port)"
        case .host(let host, let port): "\(host):\(port)"
        case .unix: "localhost"
        }
    }

    /// The port; nil for a UNIX socket.
    public var port: Int? {
        switch self.kind {
        case .host(_, let port): port
        case .unix: nil
        }
    }

    /// Whether it is a host with an address instead of a name.
    public var isAddress: Bool {
        switch self.kind {
        case .host(let host, _): IPAddressText.isV4(host) || IPAddressText.isV6(host)
        case .unix: false
        }
    }

    /// `/path` from `/path` or `///path`. More slashes at the beginning mean no more than one.
    private static func path(_ text: Substring) throws(EndpointProblem) -> String {
        let absolute = text.hasPrefix("//") ? text.dropFirst(2) : text
        let path = "/" + absolute.drop { $0 == "/" }
        guard absolute.hasPrefix("/"), path.utf8.count > 1 else { throw .relativePath }
        guard path.utf8.count <= self.longestPath else { throw .longPath }
        guard path.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else { throw .strangeCharacter }
        return path
    }

    /// `host:port` from `host:port` or `///host:port`.
    private static func name(_ text: Substring) throws(EndpointProblem) -> Substring {
        guard text.hasPrefix("//") else { return text }
        let name = text.dropFirst(2)
        guard name.hasPrefix("/") else { throw .resolverNamed }
        return name.dropFirst()
    }

    private static func hostAndPort(_ text: Substring) throws(EndpointProblem) -> Kind {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .unclosedBracket }
            let host = text[text.index(after: text.startIndex)..<end]
            guard IPAddressText.isV6(host) else { throw .badV6(String(host)) }
            let rest = text[text.index(after: end)...]
            guard rest.hasPrefix(":") else { throw .noPort(String(text)) }
            // The name of a zone is an interface of this system and keeps its letters.
            let zone = host.firstIndex(of: "%") ?? host.endIndex
            return .host(host[..<zone].lowercased() + host[zone...], port: try self.port(rest.dropFirst()))
        }
        guard let colon = text.lastIndex(of: ":") else { throw .noPort(String(text)) }
        let host = text[..<colon]
        guard !host.contains(":") else {
            // `::1:50051` could be meant either way, so it is not guessed.
            throw IPAddressText.isV6(text) || IPAddressText.isV6(host)
                ? .v6WithoutBrackets : .severalColons(String(text))
        }
        guard !host.isEmpty else { throw .noHost }
        guard IPAddressText.isV4(host) || self.isName(host) else { throw .badHost(String(host)) }
        return .host(host.lowercased(), port: try self.port(text[text.index(after: colon)...]))
    }

    private static func port(_ text: Substring) throws(EndpointProblem) -> Int {
        let isNumeral = !text.isEmpty && text.utf8.count <= 5 && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isNumeral, let port = Int(text), port <= 65_535 else { throw .badPort(String(text)) }
        return port
    }

    /// A DNS name as it is used in practice: underscores are allowed, and a last label of digits is not, because that
    /// is an IPv4 address gone wrong.
    private static func isName(_ host: Substring) -> Bool {
        let name = host.hasSuffix(".") ? host.dropLast() : host
        guard !name.isEmpty, name.utf8.count <= 253 else { return false }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.allSatisfy(self.isLabel), let last = labels.last else { return false }
        return !last.allSatisfy(\.isNumber)
    }

    private static func isLabel(_ label: Substring) -> Bool {
        guard (1...63).contains(label.utf8.count), !label.hasPrefix("-"), !label.hasSuffix("-") else { return false }
        return label.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
            default: false
            }
        }
    }
}

/// Why a text is not an endpoint, and what would be one.
public enum EndpointProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    case strangeCharacter
    case unknownScheme(String)
    case relativePath
    case longPath
    case resolverNamed
    case unclosedBracket
    case badV6(String)
    case v6WithoutBrackets
    case severalColons(String)
    case noHost
    case badHost(String)
    case noPort(String)
    case badPort(String)

    /// One line without a full stop; at most 60 characters of it are the operator's text.
    public var description: String {
        switch self {
        case .empty: "an empty address; write host:port, [v6]:port or unix:/path"
        case .strangeCharacter: "an address has no spaces, control characters or letters outside ASCII"
        case .unknownScheme(let scheme):
            "an address does not begin with \(Self.cut(scheme))://; write host:port, [v6]:port or unix:/path"
        case .relativePath: "the path of a UNIX socket is absolute; write unix:/path"
        case .longPath: "the path of a UNIX socket has at most \(Endpoint.longestPath) bytes"
        case .resolverNamed: "a name server cannot be chosen here; write dns:///host:port"
        case .unclosedBracket: "the ] is missing; write [v6]:port"
        case .badV6(let host): "\"\(Self.cut(host))\" is not an IPv6 address; only those stand in [ ]"
        case .v6WithoutBrackets: "an IPv6 address stands in brackets; write [v6]:port"
        case .severalColons(let text): "\"\(Self.cut(text))\" has more than one colon; write host:port or [v6]:port"
        case .noHost: "the host is missing; write 0.0.0.0:port or [::]:port to listen on every interface"
        case .badHost(let host): "\"\(Self.cut(host))\" is neither a host name nor an IPv4 address"
        case .noPort(let text): "the port is missing after \"\(Self.cut(text))\"; write host:port"
        case .badPort(let port): "\"\(Self.cut(port))\" is not a port; ports are 0 to 65535"
        }
    }

    private static func cut(_ text: String) -> String {
        text.count > 60 ? text.prefix(60) + "…" : text
    }
}

/// Whether a text is an IP address, without asking the system.
enum IPAddressText {
    /// Four decimal numbers up to 255, without leading zeros.
    static func isV4(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                    return false
                }
                return (part == "0" || part.first != "0") && (UInt16(part) ?? .max) <= 255
            }
    }

    /// Eight groups of up to four hexadecimal digits, of which one `::` may stand for one or more, the last two
    /// possibly written as IPv4; then an optional `%zone`.
    static func isV6(_ text: some StringProtocol) -> Bool {
        let zoned = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = zoned.first, zoned.count == 1 || self.isZone(zoned[1]) else { return false }
        let halves = String(address).components(separatedBy: "::")
        switch halves.count {
        case 1: return self.groups(halves[0], isEnd: true) == 8
        case 2:
            guard let front = self.groups(halves[0], isEnd: false), let back = self.groups(halves[1], isEnd: true)
            else {
                return false
            }
            return front + back <= 7
        default: return false
        }
    }

    private static func isZone(_ text: some StringProtocol) -> Bool {
        (1...15).contains(text.utf8.count)
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
    }

    /// How many 16-bit groups the text has, or nil when something in it is not a group.
    private static func groups(_ text: String, isEnd: Bool) -> Int? {
        guard !text.isEmpty else { return 0 }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var count = 0
        for (index, part) in parts.enumerated() {
            if (1...4).contains(part.utf8.count), part.allSatisfy({ $0.isASCII && $0.isHexDigit }) {
                count += 1
            } else if isEnd, index == parts.count - 1, self.isV4(part) {
                count += 2
            } else {
                return nil
            }
        }
        return count
    }
}

extension String {
    /// The parts between the separators; two colons of `:::` are taken from the left, which leaves a part that is no
    /// group.
    fileprivate func components(separatedBy separator: String) -> [String] {
        self.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
