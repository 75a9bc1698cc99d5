/// What a source knows, and what the next answer does to it. A value: no clock, no log, no I/O.
///
/// ```
/// answer                     list                                   counted   next look
/// replicas                   becomes this                           ok        after its TTL, within the bounds
/// none, `emptyAfter` times   becomes empty                          empty     after the shortest time
/// none, before               stays                                  empty     after the shortest time
/// a part                     takes up what is new, loses nothing    failed    after the shortest time, doubled with
/// failure                    stays                                  failed    each failure in a row
/// unchanged                  stays                                  not       after the longest time
/// ```
struct SourceState: Sendable {
    let settings: RefreshSettings
    /// The list that others go by; nil until there has been one.
    private(set) var replicas: [DiscoveredReplica]?
    /// Why the last look was of no use; nil when it was.
    private(set) var failure: DiscoveryFailure?
    private(set) var failuresInRow = 0
    private(set) var emptyInRow = 0
    /// When the last answer came that was of use, in milliseconds since 1970; nil before the first.
    private(set) var lastSuccessUnixMs: Int?
    private(set) var counts: [RefreshResult: Int] = [:]

    /// Most replicas of one list. A longer one is a mistake somewhere, and is not taken.
    static let mostReplicas = 1_000

    /// What follows from one look.
    struct Step: Sendable, Equatable {
        /// The list to hand on; nil when it stays as it is.
        var publish: [DiscoveredReplica]?
        /// Time until the next look.
        var waitMs: Int
        /// What operators hear of it.
        var news: SourceNews?
    }

    init(settings: RefreshSettings) {
        self.settings = settings
    }

    mutating func looked(_ result: Result<LookupAnswer, DiscoveryFailure>, atUnixMs now: Int) -> Step {
        switch result {
        case .success(.unchanged):
            if self.failure == nil { self.lastSuccessUnixMs = now }
            return Step(waitMs: self.settings.wait(ttlMs: nil))
        case .success(.replicas(let found, _)) where found.count > Self.mostReplicas:
            return self.failed(Self.tooMany(found.count))
        case .success(.replicas(let found, let ttlMs)):
            return found.isEmpty ? self.foundNone(at: now) : self.found(found.inOrder(), ttlMs, at: now)
        case .success(.part(let found, let missing)):
            let all = found.joined(with: self.replicas ?? [])
            guard all.count <= Self.mostReplicas else { return self.failed(Self.tooMany(all.count)) }
            var step = self.failed(missing)
            if !all.isEmpty, all != self.replicas {
                self.replicas = all
                step.publish = all
            }
            return step
        case .failure(let failure):
            return self.failed(failure)
        }
    }

    private mutating func found(_ list: [DiscoveredReplica], _ ttlMs: Int?, at now: Int) -> Step {
        let worksAgain = self.succeeded(.ok, at: now)
        self.emptyInRow = 0
        var step = Step(waitMs: self.settings.wait(ttlMs: ttlMs), news: worksAgain)
        if list != self.replicas {
            step.news = Self.change(from: self.replicas ?? [], to: list)
            step.publish = list
            self.replicas = list
        }
        return step
    }

    private mutating func foundNone(at now: Int) -> Step {
        let worksAgain = self.succeeded(.empty, at: now)
        self.emptyInRow += 1
        var step = Step(waitMs: self.settings.minIntervalMs, news: worksAgain)
        let before = self.replicas ?? []
        if before.isEmpty {
            // Nobody has to be told that there is still nothing, but the first time it is an answer.
            if self.replicas == nil { (step.publish, step.news) = ([], .isEmpty) }
            self.replicas = []
        } else if self.settings.emptyAfter > 0, self.emptyInRow >= self.settings.emptyAfter {
            (step.publish, step.news) = ([], .changed(added: 0, removed: before.count))
            self.replicas = []
        } else if self.emptyInRow == 1 {
            step.news = .emptyNotHeeded
        }
        return step
    }

    private mutating func failed(_ failure: DiscoveryFailure) -> Step {
        self.counts[.failed, default: 0] += 1
        self.failuresInRow += 1
        self.emptyInRow = 0
        // Once for each problem, not for each look.
        let news: SourceNews? = failure == self.failure ? nil : .failed(failure)
        self.failure = failure
        return Step(waitMs: self.settings.wait(failures: self.failuresInRow), news: news)
    }

    private mutating func succeeded(_ result: RefreshResult, at now: Int) -> SourceNews? {
        self.counts[result, default: 0] += 1
        self.lastSuccessUnixMs = now
        self.failuresInRow = 0
        defer { self.failure = nil }
        return self.failure == nil ? nil : .worksAgain
    }

    private static func change(from old: [DiscoveredReplica], to new: [DiscoveredReplica]) -> SourceNews {
        let (before, after) = (Set(old.map(\.address)), Set(new.map(\.address)))
        return .changed(added: after.subtracting(before).count, removed: before.subtracting(after).count)
    }

    private static func tooMany(_ count: Int) -> DiscoveryFailure {
        DiscoveryFailure("found \(count) replicas, more than \(Self.mostReplicas); none of them is taken")
    }
}

/// What came of one look, for a metric.
package enum RefreshResult: String, Sendable, CaseIterable {
    /// There are replicas.
    case ok
    /// An answer without any.
    case empty
    /// No answer, or not all of it.
    case failed
}

/// What a look has changed, for the log.
enum SourceNews: Sendable, Equatable {
    /// The list is another one. Replicas whose weight alone has changed count as neither.
    case changed(added: Int, removed: Int)
    /// The first answer is empty.
    case isEmpty
    /// There was a list, and now an empty answer, which does not count yet.
    case emptyNotHeeded
    case failed(DiscoveryFailure)
    /// After failures; the list is as it was.
    case worksAgain
}
