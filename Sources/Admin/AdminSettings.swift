/// Where the admin port listens. Configuration section `admin`.
package struct AdminSettings: Sendable, Equatable {
    /// Host and port to listen on, such as `127.0.0.1:9901` or `[::1]:9901`. Port 0 lets the system choose one.
    package var address = AdminAddress(host: "127.0.0.1", port: 9901)
    /// Names by which the admin port may be called while it listens on a loopback address, besides `localhost` and
    /// addresses: a web page elsewhere that makes its own name point at this machine is refused.
    package var hostNames: [String] = []
    /// Most connections that are open at a time; more wait in the listen queue. At least 1.
    package var maxConnections = 256
    /// How long a connection may stay without a request. At least 1.
    package var idleTimeoutMs = 75_000

    package init() {}
}

/// A host and a TCP port. The host is an IPv4 or IPv6 address without brackets, or a name.
package struct AdminAddress: Sendable, Hashable, CustomStringConvertible {
    package var host: String
    /// 0 to 65535.
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port` or `[ipv6]:port`; nil for anything else, also for an IPv6 address without brackets.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex else { return nil }
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(digits), port <= 65_535 else {
            return nil
        }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]"), host.count > 2 {
            self.init(host: String(host.dropFirst().dropLast()), port: port)
        } else if host.contains(where: { ":[]/ ".contains($0) }) {
            return nil
        } else {
            self.init(host: String(host), port: port)
        }
    }

    /// True for 127.0.0.0/8, ::1 and `localhost`.
    package var isLoopback: Bool {
        self.host == "localhost" || self.host == "::1" || (HostCheck.isIPv4(self.host) && self.host.hasPrefix("127."))
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}
