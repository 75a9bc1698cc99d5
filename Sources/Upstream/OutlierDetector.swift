/// Which replicas of a cluster do badly although they can be reached, by what their streams tell. A value: facts in,
/// standings out; moments and randomness are handed in.
///
/// ```
/// in ──failures in a row, error share, late answers──► ejected ──its time is over──► trial ──answered──► in
///                                                         ▲──────────failed again, n + 1────────┘
/// ```
/// Never more than `max_ejected_share` of a cluster: what ejects one is checked against all that are out, and when too
/// many are, nobody counts as ejected (panic).
public struct OutlierDetector: Sendable {
    public enum Standing: Sendable, Equatable { case healthy, ejected, trial }

    /// What one stream told of its replica.
    public enum Event: Sendable, Equatable {
        /// Answered in full, with a status that says nothing against the replica.
        case answered
        /// Answered with a status that may be the replica's fault.
        case error
        /// It failed on its way: the replica did not answer, or not to the end.
        case failure
    }

    /// Why a replica was ejected.
    public enum Cause: String, Sendable, CaseIterable {
        case consecutiveFailures = "consecutive_failures"
        case errorShare = "error_share"
        case latency
        /// It failed the stream that it was on trial with.
        case trialFailed = "trial_failed"
    }

    private enum Phase: Sendable, Equatable {
        case healthy
        case ejected(untilNs: UInt64)
        case trial
    }

    private struct Member: Sendable {
        /// False: nobody has this position.
        var isHere = true
        var phase = Phase.healthy
        var failuresInARow = 0
        var window = OutlierWindow()
        /// In a row; forgotten one by one while the replica does well.
        var ejections = 0
        /// When `ejections` changed.
        var countedAtNs: UInt64 = 0
    }

    private var settings: OutlierSettings
    private var members: [Member]
    /// Whether so many are out that ejections are not heeded.
    public private(set) var panics = false

    public init(settings: OutlierSettings, replicas: Int) {
        self.settings = settings
        self.members = Array(repeating: Member(), count: replicas)
    }

    /// What counts from now on. Ejections that last go on to their end.
    public mutating func apply(_ settings: OutlierSettings) { self.settings = settings }

    /// Another replica has the position from now on.
    public mutating func joined(_ position: Int) {
        while self.members.count <= position { self.members.append(Member(isHere: false)) }
        self.members[position] = Member()
    }

    /// Nobody has it any more.
    public mutating func left(_ position: Int) { self.members[position] = Member(isHere: false) }

    /// - Parameter position: of the replica in its cluster.
    public func standing(_ position: Int) -> Standing {
        switch self.members[position].phase {
        case .healthy: .healthy
        case .ejected: self.panics ? .healthy : .ejected
        case .trial: self.panics ? .healthy : .trial
        }
    }

    /// A stream of a replica ended.
    /// - Parameter firstResponseNs: from the pick to the first byte of the answer; nil when that says nothing.
    /// - Parameter othersOut: replicas besides this one that are out for other reasons.
    /// - Parameter random: 0 to 1, for the length of an ejection.
    /// - Returns: why the replica is ejected now; nil when it is not.
    public mutating func record(
        _ position: Int, _ event: Event, firstResponseNs: UInt64? = nil, othersOut: Int = 0, random: Double = 0,
        at nowNs: UInt64
    ) -> Cause? {
        self.members[position].window.record(
            isError: event != .answered, firstResponseNs: firstResponseNs, lengthMs: self.settings.windowMs, at: nowNs)
        switch (event, self.members[position].phase) {
        case (.failure, .trial):
            self.eject(position, random: random, at: nowNs)
            return .trialFailed
        case (.failure, .healthy):
            self.members[position].failuresInARow += 1
            let limit = self.settings.consecutiveFailures
            guard limit > 0, self.members[position].failuresInARow >= limit,
                self.mayEject(position, othersOut: othersOut)
            else { return nil }
            self.eject(position, random: random, at: nowNs)
            return .consecutiveFailures
        case (.answered, .trial), (.error, .trial):
            // It answers. What it answers is looked at with the others again.
            self.members[position].phase = .healthy
            self.members[position].failuresInARow = 0
            self.members[position].window.clear()
        case (.answered, .healthy), (.error, .healthy): self.members[position].failuresInARow = 0
        // What was sent before the ejection ends after it.
        case (_, .ejected): ()
        }
        return nil
    }

    /// The replica cannot be reached any more, which says more than its streams did: it starts afresh when it is back.
    public mutating func lost(_ position: Int) {
        self.members[position].phase = .healthy
        self.members[position].failuresInARow = 0
        self.members[position].window.clear()
    }

    /// Looks at shares and medians, ends ejections whose time is over, and forgets old ones. Called about every second.
    /// - Parameter isOut: by position, whether the replica is out for another reason.
    /// - Returns: who is ejected now, and why.
    public mutating func look(isOut: [Bool], random: Double = 0, at nowNs: UInt64) -> [(position: Int, cause: Cause)] {
        for position in self.members.indices {
            if case .ejected(let until) = self.members[position].phase, nowNs >= until {
                self.members[position].phase = .trial
            }
            let calmNs = UInt64(self.settings.maxEjectionMs) * 1_000_000
            if self.members[position].phase == .healthy, self.members[position].ejections > 0,
                nowNs - self.members[position].countedAtNs > calmNs
            {
                self.members[position].ejections -= 1
                self.members[position].countedAtNs = nowNs
            }
            self.members[position].window.age(lengthMs: self.settings.windowMs, at: nowNs)
        }
        var found: [(position: Int, cause: Cause)] = []
        for position in self.members.indices
        where self.members[position].isHere && self.members[position].phase == .healthy && !isOut[position] {
            let othersOut = isOut.indices.count { $0 != position && self.members[$0].isHere && isOut[$0] }
            guard let cause = self.judge(position, isOut), self.mayEject(position, othersOut: othersOut) else {
                continue
            }
            self.eject(position, random: random, at: nowNs)
            found.append((position, cause))
        }
        let out = self.members.indices.count {
            self.members[$0].isHere && (isOut[$0] || self.members[$0].phase != .healthy)
        }
        self.panics = out > self.mostOut && self.members.contains { $0.phase != .healthy }
        return found
    }

    // MARK: Judging

    private var mostOut: Int {
        Int(self.settings.maxEjectedShare * Double(self.members.indices.count { self.members[$0].isHere }))
    }

    private func mayEject(_ position: Int, othersOut: Int) -> Bool {
        let ejected = self.members.indices.count { $0 != position && self.members[$0].phase != .healthy }
        return ejected + othersOut + 1 <= self.mostOut
    }

    private mutating func eject(_ position: Int, random: Double, at nowNs: UInt64) {
        self.members[position].ejections += 1
        self.members[position].countedAtNs = nowNs
        self.members[position].failuresInARow = 0
        self.members[position].window.clear()
        let count = self.members[position].ejections
        let ms = min(self.settings.maxEjectionMs, self.settings.baseEjectionMs * count)
        let ns = Double(ms) * 1e6 * (1 + 0.2 * min(max(random, 0), 1))
        self.members[position].phase = .ejected(untilNs: nowNs + UInt64(ns))
    }

    private func judge(_ position: Int, _ isOut: [Bool]) -> Cause? {
        let own = self.members[position].window
        let siblings = self.members.indices.filter {
            $0 != position && self.members[$0].isHere && !isOut[$0] && self.members[$0].phase == .healthy
                && self.members[$0].window.streams >= self.settings.minStreams
        }
        guard !siblings.isEmpty, own.streams >= self.settings.minStreams else { return nil }
        let streams = siblings.reduce(0) { $0 + self.members[$1].window.streams }
        let errors = siblings.reduce(0) { $0 + self.members[$1].window.errors }
        if own.errorShare >= self.settings.errorShare,
            own.errorShare >= 3 * Double(errors) / Double(max(1, streams))
        {
            return .errorShare
        }
        guard self.settings.latencyFactor > 0, let mine = own.medianFirstResponseNs(atLeast: self.settings.minStreams)
        else { return nil }
        let theirs = siblings.compactMap {
            self.members[$0].window.medianFirstResponseNs(atLeast: self.settings.minStreams)
        }.sorted()
        guard !theirs.isEmpty else { return nil }
        let typical = theirs[theirs.count / 2]
        let excess = UInt64(max(0, self.settings.latencyExcessMs)) * 1_000_000
        return Double(mine) > Double(typical) * self.settings.latencyFactor && mine > typical + excess ? .latency : nil
    }
}
