import Synchronization

/// A number that goes up and down, such as open connections or held bytes.
///
/// Made by `MetricRegistry.gauge` at assembly and kept by whoever counts. Safe to change from any thread: one relaxed
/// atomic, no lock, no allocation. Several loops add to and subtract from one gauge; `set` is for a gauge with one
/// owner.
public final class Gauge: Sendable {
    private let number = Atomic<Int>(0)

    public init() {}

    /// The number at some moment during the call.
    public var value: Int { self.number.load(ordering: .relaxed) }

    public func set(_ value: Int) {
        self.number.store(value, ordering: .relaxed)
    }

    public func add(_ amount: Int = 1) {
        self.number.wrappingAdd(amount, ordering: .relaxed)
    }

    public func subtract(_ amount: Int = 1) {
        self.number.wrappingSubtract(amount, ordering: .relaxed)
    }
}
