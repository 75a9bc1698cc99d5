/// Which `Host` a request may be addressed to, so that DNS rebinding cannot reach a loopback admin port.
///
/// A web page may make its own name resolve to 127.0.0.1 and then read this port as if it were its own site. The
/// browser still sends that name as `Host`. An attacker controls names only, so addresses are always accepted, names
/// only when they are `localhost` or the operator's own. A port that listens beyond loopback is reached under names
/// unknown to us and accepts them all: who may reach it is then the network's business.
struct HostCheck: Sendable {
    private let checksNames: Bool
    private let names: Set<String>

    init(_ settings: AdminSettings) {
        self.checksNames = settings.address.isLoopback
        self.names = Set(settings.hostNames.map { $0.lowercased() }).union(["localhost"])
    }

    /// - Parameter authority: the `Host` field with or without a port; nil when there is none, as from plain tools.
    func accepts(_ authority: String?) -> Bool {
        guard self.checksNames, let authority else { return true }
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return false }
            return authority[..<end].dropFirst().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
                && Self.isPort(authority[end...].dropFirst())
        }
        let colon = authority.firstIndex(of: ":") ?? authority.endIndex
        guard Self.isPort(authority[colon...]) else { return false }
        let host = authority[..<colon].lowercased()
        return self.names.contains(host) || Self.isIPv4(host)
    }

    /// Four decimal numbers up to 255.
    static func isIPv4(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.utf8.count) && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
                    && Int(part).map { $0 <= 255 } == true
            }
    }

    /// Nothing, or a colon and digits.
    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty || (text.first == ":" && text.dropFirst().utf8.allSatisfy { (0x30...0x39).contains($0) })
    }
}
