/// How often a source is asked, and when an empty answer counts.
package struct RefreshSettings: Sendable, Equatable {
    /// Shortest time between two looks, in milliseconds; at least 1. After failures in a row it doubles, up to the
    /// longest.
    package var minIntervalMs: Int
    /// Longest time between two looks. Also what an answer holds that does not say how long it does.
    package var maxIntervalMs: Int
    /// Empty answers in a row that empty the list; before, the last list stays. 0: it always stays.
    package var emptyAfter: Int

    package init(minIntervalMs: Int, maxIntervalMs: Int, emptyAfter: Int) {
        self.minIntervalMs = max(1, minIntervalMs)
        self.maxIntervalMs = max(self.minIntervalMs, maxIntervalMs)
        self.emptyAfter = max(0, emptyAfter)
    }

    /// Always the same time between two looks.
    package init(everyMs interval: Int, emptyAfter: Int) {
        self.init(minIntervalMs: interval, maxIntervalMs: interval, emptyAfter: emptyAfter)
    }

    /// Time until the next look after an answer that holds for so long; nil when it does not say.
    func wait(ttlMs: Int?) -> Int {
        min(max(ttlMs ?? self.maxIntervalMs, self.minIntervalMs), self.maxIntervalMs)
    }

    /// Time until the next look after so many failures in a row; at least one.
    func wait(failures: Int) -> Int {
        let doublings = min(max(0, failures - 1), 20)
        return min(self.minIntervalMs << doublings, self.maxIntervalMs)
    }
}
