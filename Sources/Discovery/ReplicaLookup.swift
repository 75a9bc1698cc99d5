/// One way to find replicas, which is asked again and again. `ReplicaSource` decides when, and what an answer changes.
package protocol ReplicaLookup: Sendable {
    /// What is asked, for messages: `dns workers.example:50051`. Holds no secret.
    var subject: String { get }
    /// Asks once, within a bounded time. Throws when there is no answer to go by; cancellation ends it early, and then
    /// what it returns does not matter.
    func look() async throws(DiscoveryFailure) -> LookupAnswer
}

/// What one look has found.
package enum LookupAnswer: Sendable, Hashable {
    /// Nothing has changed since the look before.
    case unchanged
    /// All replicas there are, for `ttlMs` milliseconds; nil when the answer does not say how long it holds.
    case replicas([DiscoveredReplica], ttlMs: Int?)
    /// Some of them: what is missing could not be learned.
    case part([DiscoveredReplica], missing: DiscoveryFailure)
}

/// Why a look has found nothing to go by: one line without a full stop, and without secrets.
package struct DiscoveryFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    /// Most characters of a message.
    private static let longest = 400

    /// - Parameter text: lines become one, control characters become spaces, and what is too long is cut: servers and
    ///   files that others write end up in logs and terminals.
    package init(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingSpaces() }
        let line = String(
            lines.joined(separator: "; ").unicodeScalars.map { scalar in
                scalar.properties.generalCategory == .control ? " " : Character(scalar)
            })
        self.description = line.count > Self.longest ? line.prefix(Self.longest) + "…" : line
    }
}

extension Substring {
    fileprivate func trimmingSpaces() -> Substring {
        let head = self.drop { $0.isWhitespace }
        guard let last = head.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return head[...last]
    }
}
