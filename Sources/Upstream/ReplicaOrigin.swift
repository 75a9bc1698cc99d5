/// Who named a replica. It lives until the last one who named it lets it go, so that no source takes away what another one
/// gave.
public enum ReplicaOrigin: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The configuration.
    case `static`
    /// An operator, by the admin port.
    case api
    /// A source of discovery, by its name.
    case discovery(String)

    /// Stable text for logs and the admin port.
    public var description: String {
        switch self {
        case .static: "static"
        case .api: "api"
        case .discovery(let source): "discovery:\(source)"
        }
    }

    /// Whose weight counts when several name one replica: the smallest.
    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    private var rank: (Int, String) {
        switch self {
        case .static: (0, "")
        case .api: (1, "")
        case .discovery(let source): (2, source)
        }
    }
}

/// What came of a list of replicas, by name.
public struct ReplicaChanges: Sendable, Equatable {
    /// Those that are new, or were about to go.
    public var added: [String] = []
    /// Those that finish what is open and then go.
    public var removed: [String] = []
    /// Those whose weight is another one now.
    public var reweighted: [String] = []
    public var unchanged: [String] = []
    /// Those that the list names no more, and another source still does.
    public var kept: [String] = []
    /// Those that the list names, and an operator has taken out.
    public var dismissed: [String] = []
    /// Those that the cluster has no room for.
    public var refused: [String] = []

    public init() {}

    /// Whether anything is different now.
    public var isEmpty: Bool { self.added.isEmpty && self.removed.isEmpty && self.reweighted.isEmpty }
}

/// Why a replica cannot be added or changed.
public enum ReplicaProblem: Error, Equatable, CustomStringConvertible {
    case unknown(String)
    case alreadyThere(String)
    /// It is on its way out and cannot be drained as well.
    case leaving(String)
    case tooMany(limit: Int)

    public var description: String {
        switch self {
        case .unknown(let name): "there is no replica \(name)"
        case .alreadyThere(let name): "there is a replica \(name) already"
        case .leaving(let name): "the replica \(name) is on its way out already"
        case .tooMany(let limit): "the cluster has \(limit) replicas already, which is the limit"
        }
    }
}
