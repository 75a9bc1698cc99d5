internal import Synchronization

/// Tokens that may be exchanged while the process runs: those that a listener takes, or the one that a cluster sends.
/// Safe to use from every thread.
package final class BearerTokens: Sendable {
    private let held: Mutex<[BearerToken]>

    package init(_ tokens: [BearerToken]) { self.held = Mutex(tokens) }

    package var current: [BearerToken] { self.held.withLock { $0 } }

    /// Calls that come from now on are looked at with these.
    package func replace(with tokens: [BearerToken]) { self.held.withLock { $0 = tokens } }
}
