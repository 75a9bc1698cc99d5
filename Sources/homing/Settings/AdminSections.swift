import Admin
import Config
import Transport
import Wire

/// Who may use the admin port. Configuration section `admin.auth`.
struct AdminAuthSettings: Sendable, Equatable {
    /// Empty means everybody who can reach it may read.
    var tokens: [AcceptedToken] = []
}

extension AdminAuthSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.sections(
            "tokens", &self.tokens,
            "The tokens that readers may prove themselves with, in 'authorization: Bearer TOKEN'. /live, /ready and the "
                + "empty status page need none. Without tokens nothing can be changed by this port, and it may listen "
                + "on a loopback address only.")
    }
}

extension AdminSection: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "address", &self.address, .endpointOrOff, "Where the operator's port listens. Empty or off means nowhere.")
        section.section("auth", &self.auth, "Who may use it.")
    }

    /// Whether everybody who reaches the address is on this machine.
    var isLoopback: Bool {
        guard case .host(let host, let port) = self.address?.kind else { return true }
        return AdminAddress(host: host, port: port).isLoopback
    }
}

extension AdminAccess {
    /// - Parameter tokens: may be exchanged later; none at all means that everybody may read.
    init(_ tokens: BearerTokens) {
        self.init(isGuarded: { !tokens.isEmpty }) { value in
            let value = Array(value.utf8)
            // Every token is compared, so that the time does not tell which one was right.
            var isKnown = false
            for token in tokens.current where value.withRawSpan({ token.matches($0) }) { isKnown = true }
            return isKnown
        }
    }
}

extension ValueForm where Value == String? {
    /// The path of a file, or `stdout` for nil.
    static var fileOrStdout: Self {
        Self(
            expects: "a path, or stdout",
            parse: { (scalar) throws(Mismatch) in
                guard !scalar.text.isEmpty else { throw .unexpected }
                return scalar.text == "stdout" ? nil : scalar.text
            },
            show: { ScalarText($0 ?? "stdout", isText: $0 != nil) })
    }
}
