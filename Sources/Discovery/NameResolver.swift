/// Asks name servers. A protocol, so that lookups are tested without any.
package protocol NameResolver: Sendable {
    /// Asks everything at once and waits for all of it, within a bounded time. One outcome per question, in their order.
    func resolve(_ questions: [DNSQuestion]) async -> [DNSOutcome]
}

/// A name and what is wanted of it.
package struct DNSQuestion: Sendable, Hashable {
    package var name: String
    package var type: DNSType

    package init(_ name: String, _ type: DNSType) {
        self.name = name
        self.type = type
    }
}

/// What became of a question.
package enum DNSOutcome: Sendable, Hashable {
    /// At least one record of the type that was asked for. `ttlMs` is how long all of them hold; nil when the answer
    /// does not come from a name server.
    case records([DNSRecord], ttlMs: Int?)
    /// There is the name, and nothing of this type for it.
    case none
    /// There is no such name.
    case nameUnknown
    /// Nobody could say: no answer in time, or one that is a refusal.
    case failed(String)
}

/// Which addresses of a name are taken.
package enum AddressFamily: String, Sendable, CaseIterable {
    case all
    case ipv4
    case ipv6

    var types: [DNSType] {
        switch self {
        case .all: [.a, .aaaa]
        case .ipv4: [.a]
        case .ipv6: [.aaaa]
        }
    }
}
