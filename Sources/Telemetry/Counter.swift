package import Synchronization

/// A number that only grows. Safe to add to from any thread; reading gives a value that was true at some moment.
package final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    package init() {}

    package var value: Int { self.count.load(ordering: .relaxed) }

    package func add(_ amount: Int = 1) {
        self.count.wrappingAdd(amount, ordering: .relaxed)
    }
}
