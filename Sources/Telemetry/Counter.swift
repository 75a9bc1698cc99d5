import Synchronization

/// A number that only grows, such as streams or bytes.
///
/// Made by `MetricRegistry.counter` at assembly and kept by whoever counts. Safe to add to from any thread: one relaxed
/// atomic, no lock, no allocation. It wraps past `Int.max`, which no count of ours reaches.
public final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    public init() {}

    /// The total at some moment during the call.
    public var value: Int { self.count.load(ordering: .relaxed) }

    /// Adds `amount`, which is never negative: a scraper takes a counter that falls for a restarted process.
    public func add(_ amount: Int = 1) {
        self.count.wrappingAdd(amount, ordering: .relaxed)
    }
}
