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
    private let capacity: Int
    private let share: Int

    init(settings: PoolSettings) {
        self.capacity = settings.retryBudgetReserve * 1_000
        self.share = Int(settings.retryBudgetShare * 1_000)
        self.tokens = Atomic(self.capacity)
    }

    /// A stream was picked for, for the first time.
    func earn() {
        // Two threads may pass the capacity by a share each; the next `earn` sees that.
        guard self.share > 0, self.tokens.load(ordering: .relaxed) < self.capacity else { return }
        self.tokens.wrappingAdd(self.share, ordering: .relaxed)
    }

    /// Whether one retry more is allowed; if so it is counted.
    func spend() -> Bool {
        let before = self.tokens.wrappingSubtract(1_000, ordering: .relaxed).oldValue
        guard before < 1_000 else { return true }
        self.tokens.wrappingAdd(1_000, ordering: .relaxed)
        return false
    }
}
