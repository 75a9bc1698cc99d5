import Routing

/// What a `ReplicaTable` should do, said with sorting and searching.
struct TableModel {
    struct Replica {
        var id: ReplicaID
        var availability = Availability.unknown
        var inFlight = 0
        var weight: Int
        var lastPick = 0
        var picks = 0
    }

    struct Pick: Equatable {
        var replica: ReplicaID
        var reason: PickReason
        var matched: Int
        var diverted: Bool
    }

    var settings: RoutingSettings
    var replicas: [Replica] = []
    var prefixes: PrefixModel
    var departed = 0
    private var picks = 0

    init(settings: RoutingSettings) {
        self.settings = settings
        self.prefixes = PrefixModel(
            capacity: settings.maxIndexBlocks, timeToLive: UInt64(settings.prefixTtlMs))
    }

    mutating func remove(_ id: ReplicaID) {
        self.departed += self.replicas.filter { $0.id == id }.map(\.inFlight).reduce(0, +)
        self.replicas.removeAll { $0.id == id }
        self.prefixes.forget(Int(id.number))
    }

    mutating func update(_ id: ReplicaID, _ change: (inout Replica) -> Void) {
        if let position = self.replicas.firstIndex(where: { $0.id == id }) { change(&self.replicas[position]) }
    }

    mutating func lease(_ id: ReplicaID) {
        if self.replicas.contains(where: { $0.id == id }) {
            self.update(id) { $0.inFlight += 1 }
        } else {
            self.departed += 1
        }
    }

    mutating func release(_ id: ReplicaID, _ ticket: PrefixModel.Ticket?, _ outcome: LeaseOutcome, at now: UInt64) {
        if self.replicas.contains(where: { $0.id == id }) {
            self.update(id) { $0.inFlight -= 1 }
        } else {
            self.departed -= 1
        }
        if outcome == .failedBeforeResponse, let ticket { self.prefixes.withdraw(ticket) }
        _ = self.prefixes.sweep(at: now, limit: 8)
    }

    mutating func pick(
        _ chain: [UInt64], excluding: [ReplicaID], at now: UInt64
    ) -> (Pick, PrefixModel.Ticket)? {
        let allowed = self.replicas.filter { !excluding.contains($0.id) }
        var candidates = allowed.filter { [.available, .trial].contains($0.availability) }
        if candidates.isEmpty {
            candidates = allowed.filter { [.unknown, .suspect, .stalled, .ejected].contains($0.availability) }
        }
        let unlimited = candidates.filter { $0.availability != .trial || $0.inFlight == 0 }
        if !unlimited.isEmpty { candidates = unlimited }
        guard let pick = self.choose(candidates, chain, now) else { return nil }
        self.picks += 1
        self.update(pick.replica) { [picks] in
            $0.lastPick = picks
            $0.picks += 1
            $0.inFlight += 1
        }
        return (pick, self.prefixes.note(chain, owner: Int(pick.replica.number), at: now))
    }

    private func choose(_ candidates: [Replica], _ chain: [UInt64], _ now: UInt64) -> Pick? {
        func matched(_ replica: Replica) -> Int {
            self.prefixes.match(chain, owner: Int(replica.id.number), at: now)
        }
        func answer(_ replica: Replica?, _ reason: PickReason, diverted: Bool = false) -> Pick? {
            replica.map { Pick(replica: $0.id, reason: reason, matched: matched($0), diverted: diverted) }
        }
        /// The element with the smallest keys, the first of equals.
        func first(_ among: [Replica], by keys: (Replica) -> [Int]) -> Replica? {
            among.enumerated().min {
                (keys($0.element) + [$0.offset]).lexicographicallyPrecedes(keys($1.element) + [$1.offset])
            }?.element
        }
        let tiers: (Replica) -> [Int] = { [$0.inFlight, $0.lastPick, -$0.weight] }
        switch self.settings.policy {
        case _ where candidates.count <= 1: return answer(candidates.first, .onlyCandidate)
        case .roundRobin: return answer(first(candidates) { [$0.lastPick] }, .roundRobin)
        case .leastInFlight: return answer(first(candidates, by: tiers), .leastInFlight)
        case .prefixCache where chain.isEmpty: return answer(first(candidates, by: tiers), .leastInFlight)
        case .prefixCache: break
        case .powerOfTwo, .consistentHash, .expectedTTFT: preconditionFailure("these have tests of their own")
        }
        let least = candidates.map(\.inFlight).min() ?? 0
        func isAdmissible(_ replica: Replica) -> Bool {
            replica.inFlight <= least + self.settings.balanceAbsolute
                && Double(replica.inFlight) <= Double(least) * self.settings.balanceRelative + 1
        }
        func isWarm(_ replica: Replica) -> Bool {
            matched(replica) > 0 && Double(matched(replica)) / Double(chain.count) >= self.settings.minPrefixMatch
        }
        let deepest = candidates.map(matched).max() ?? 0
        let isDeepestBusy = candidates.filter { matched($0) == deepest }.allSatisfy { isWarm($0) && !isAdmissible($0) }
        let warm = candidates.filter { isWarm($0) && isAdmissible($0) }
        if let hot = first(warm, by: { [-matched($0)] + tiers($0) }) {
            return answer(hot, .prefixMatch, diverted: isDeepestBusy)
        }
        let cold = first(candidates) {
            [$0.inFlight, self.prefixes.blocks(heldBy: Int($0.id.number))] + tiers($0)
        }
        return answer(cold, isDeepestBusy ? .diverted : .cold, diverted: isDeepestBusy)
    }
}
