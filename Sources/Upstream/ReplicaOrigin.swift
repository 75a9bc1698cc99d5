/// Who named a replica. It lives until the last one who named it lets it go, so that no source takes away what another one
/// gave.
package enum ReplicaOrigin: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The configuration.
    case `static`
    /// An operator, by the admin port.
    case api
    /// A source of discovery, by its name.
    case discovery(String)

    /// Stable text for logs and the admin port.
    package var description: String {
        switch self {
        case .static: "static"
        case .api: "api"
        case .discovery(let source): "discovery:\(source)"
        }
    }

    /// Whose weight counts when several name one replica: the smallest.
    package static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    private var rank: (Int, String) {
        switch self {
        case .static: (0, "")
        case .api: (1, "")
        case .discovery(let source): (2, source)
        }
    }
}

/// What came of a list of replicas, by name.
package struct ReplicaChanges: Sendable, Equatable {
    /// Those that are new, or were about to go.
    package var added: [String] = []
    /// Those that finish what is open and then go.
    package var removed: [String] = []
    /// Those whose weight is another one now.
    package var reweighted: [String] = []
    package var unchanged: [String] = []
    /// Those that the list names no more, and another source still does.
    package var kept: [String] = []
    /// Those that the list names, and an operator has taken out.
    package var dismissed: [String] = []
    /// Those that the cluster has no room for.
    package var refused: [String] = []

    package init() {}

    /// Whether anything is different now.
    package var isEmpty: Bool { self.added.isEmpty && self.removed.isEmpty && self.reweighted.isEmpty }
}

/// Why a replica cannot be added or changed.
package enum ReplicaProblem: Error, Equatable, CustomStringConvertible {
    case unknown(String)
    case alreadyThere(String)
    /// It is on its way out and cannot be drained as well.
    case leaving(String)
    case tooMany(limit: Int)

    package var description: String {
        switch self {
        case .unknown(let name): "there is no replica \(name)"
        case .alreadyThere(let name): "there is a replica \(name) already"
        case .leaving(let name): "the replica \(name) is on its way out already"
        case .tooMany(let limit): "the cluster has \(limit) replicas already, which is the limit"
        }
    }
}
