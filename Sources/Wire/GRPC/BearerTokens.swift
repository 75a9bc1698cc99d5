internal import Synchronization

/// Tokens that may be exchanged while the process runs: those that a listener takes, or the one that a cluster sends.
/// Safe to use from every thread.
public final class BearerTokens: Sendable {
    private let held: Mutex<[BearerToken]>
    /// Kept beside them, for streams where there are none.
    private let isAny: Atomic<Bool>

    public init(_ tokens: [BearerToken]) {
        self.held = Mutex(tokens)
        self.isAny = Atomic(!tokens.isEmpty)
    }

    public var isEmpty: Bool { !self.isAny.load(ordering: .acquiring) }

    public var current: [BearerToken] { self.held.withLock { $0 } }

    /// Calls that come from now on are looked at with these.
    public func replace(with tokens: [BearerToken]) {
        self.held.withLock { $0 = tokens }
        self.isAny.store(!tokens.isEmpty, ordering: .releasing)
    }
}
