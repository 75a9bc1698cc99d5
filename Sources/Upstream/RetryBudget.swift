import Synchronization

/// How many streams may be sent to another replica: a share of recent traffic above a reserve, so that a fleet that is
/// failing is not asked everything several times.
///
/// ```
/// reserve ◄──earn: + share for each stream── tokens ──spend: − 1 for each retry──► 0: no retry
/// ```
/// Safe to use from every thread.
final class RetryBudget: Sendable {
    /// In thousandths of a retry.
    private let tokens: Atomic<Int>
    private let capacity: Atomic<Int>
    private let share: Atomic<Int>

    init(settings: PoolSettings) {
        self.capacity = Atomic(settings.retryBudgetReserve * 1_000)
        self.share = Atomic(Int(settings.retryBudgetShare * 1_000))
        self.tokens = Atomic(settings.retryBudgetReserve * 1_000)
    }

    /// What counts from now on. A reserve that grows is there at once.
    func apply(_ settings: PoolSettings) {
        let capacity = settings.retryBudgetReserve * 1_000
        let before = self.capacity.exchange(capacity, ordering: .relaxed)
        self.share.store(Int(settings.retryBudgetShare * 1_000), ordering: .relaxed)
        if capacity > before { self.tokens.wrappingAdd(capacity - before, ordering: .relaxed) }
    }

    /// A stream was picked for, for the first time.
    func earn() {
        // Two threads may pass the capacity by a share each; the next `earn` sees that.
        let share = self.share.load(ordering: .relaxed)
        guard share > 0, self.tokens.load(ordering: .relaxed) < self.capacity.load(ordering: .relaxed) else { return }
        self.tokens.wrappingAdd(share, ordering: .relaxed)
    }

    /// Whether one retry more is allowed; if so it is counted.
    func spend() -> Bool {
        let before = self.tokens.wrappingSubtract(1_000, ordering: .relaxed).oldValue
        guard before < 1_000 else { return true }
        self.tokens.wrappingAdd(1_000, ordering: .relaxed)
        return false
    }
}
