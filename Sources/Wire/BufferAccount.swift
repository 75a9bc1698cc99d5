import Synchronization

/// How many body bytes the streams of one loop hold, for the metric that says whether anything is left behind.
///
/// Written by one loop only, so that counting is a load and a store and no locked instruction; read by anyone.
public final class BufferAccount: Sendable {
    private let count = Atomic<Int>(0)

    public init() {}

    public var bytes: Int { self.count.load(ordering: .relaxed) }

    /// On the owning loop only.
    func add(_ change: Int) {
        self.count.store(self.count.load(ordering: .relaxed) &+ change, ordering: .relaxed)
    }
}
