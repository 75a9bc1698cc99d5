import Routing
import Testing

/// The queue under random operations, beside a model that is a list.
struct QueueRandomTests {
    /// What the queue should do, said with searching: turns between callers, first come first served in each.
    private struct QueueModel {
        struct Prompt {
            var id: UInt64
            var caller: UInt64
            var seconds: Double
            var isRetry: Bool
        }
        var waiting: [Prompt] = []
        private var accounts: [UInt64: Double] = [:]
        private var given = 0.0

        mutating func add(_ prompt: Prompt) {
            if !self.waiting.contains(where: { $0.caller == prompt.caller }) {
                self.accounts[prompt.caller] = max(self.accounts[prompt.caller] ?? 0, self.given)
            }
            self.waiting.append(prompt)
        }

        mutating func remove(_ id: UInt64) {
            self.waiting.removeAll { $0.id == id }
            if self.waiting.isEmpty {
                self.accounts = [:]
                self.given = 0
            }
        }

        /// Whether it is this one's turn, among those that have been nowhere. Sums are equal up to rounding.
        func isNext(_ prompt: Prompt) -> Bool {
            let others = self.waiting.filter { !$0.isRetry }
            guard others.first(where: { $0.caller == prompt.caller })?.id == prompt.id else { return false }
            return others.allSatisfy { self.turn(prompt) <= self.turn($0) + 1e-9 }
        }

        private func turn(_ prompt: Prompt) -> Double {
            let before = self.waiting.prefix { $0.id != prompt.id }.filter { $0.caller == prompt.caller }
            return before.reduce(self.accounts[prompt.caller] ?? 0) { $0 + $1.seconds }
        }

        mutating func sent(_ id: UInt64) {
            guard let prompt = self.waiting.first(where: { $0.id == id }) else { return }
            self.given = max(self.given, self.accounts[prompt.caller] ?? 0)
            self.accounts[prompt.caller, default: 0] += prompt.seconds
            self.remove(id)
        }
    }

    @Test(arguments: PolicyName.allCases)
    func `no replica is over its limit, whoever waits has a reason, and turns are those of the model`(
        policy: PolicyName
    ) throws {
        var random = SeededRandom(#function)
        var settings = RoutingSettings.letters(policy)
        settings.maxIndexBlocks = 60
        settings.admission.maxInFlight = .streams(3)
        settings.admission.maxWaiting = 12
        settings.admission.maxWaitMs = 900
        settings.expectedTTFT.maxWaitMs = random.chance(0.5) ? 100 : 0
        settings.expectedTTFT.startsInLine = true
        let isExact = policy != .expectedTTFT
        var (table, replicas) = ReplicaTable.of(3, settings: settings)
        var standing = Dictionary(uniqueKeysWithValues: replicas.map { ($0, Availability.available) })
        var inFlight = Dictionary(uniqueKeysWithValues: replicas.map { ($0, 0) })
        var model = QueueModel()
        var refuseAt: [UInt64: UInt64] = [:]
        var held: [Lease] = []
        var now: UInt64 = 0
        func take(_ decision: PickDecision, passesLimits: Bool, _ step: Int) throws {
            inFlight[decision.replica, default: 0] += 1
            held.append(decision.lease)
            if !passesLimits { try #require(inFlight[decision.replica] ?? 0 <= 3, "step \(step): over its limit") }
        }
        func isRoom(excluding: [ReplicaID] = []) -> Bool {
            let allowed = standing.filter { !excluding.contains($0.key) }
            let best =
                allowed.contains { $0.value.standing == .candidate } ? Availability.Standing.candidate : .lastResort
            return allowed.contains { $0.value.standing == best && (inFlight[$0.key] ?? 0) < 3 }
        }
        for step in 0..<1_500 {
            now += UInt64.random(in: 0...60, using: &random)
            let id = UInt64(step)
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<4:
                guard let replica = replicas.randomElement(using: &random) else { continue }
                let next: Availability =
                    random.chance(0.7) ? .available : Availability.allCases.randomElement(using: &random)!
                table.setAvailability(replica, next)
                standing[replica] = next
            case 4..<52:
                let text = String(
                    (0..<Int.random(in: 0...5, using: &random)).map { _ in "abcd".randomElement(using: &random)! })
                let chain = PrefixChain(letters: text)
                let caller = UInt64.random(in: 0..<4, using: &random)
                let terms = WaitTerms(
                    caller: caller, mayWait: random.chance(0.95), isRetry: random.chance(0.1))
                let excluded = terms.isRetry ? [replicas[Int.random(in: 0..<3, using: &random)]] : []
                let outcome = table.arrive(id, chain, excluding: excluded, at: at(now)) { terms }
                switch outcome {
                case .picked(let decision):
                    try take(decision, passesLimits: !terms.mayWait, step)
                    try #require(
                        model.waiting.isEmpty || !terms.mayWait || terms.isRetry || model.waiting.count >= 12
                            || !isExact,
                        "step \(step): it jumped the queue")
                case .hold:
                    model.add(
                        QueueModel.Prompt(
                            id: id, caller: caller, seconds: 0.02 + Double(text.utf8.count) / 24_000,
                            isRetry: terms.isRetry))
                    refuseAt[id] = now + 900
                case .refused(let refusal):
                    try #require(refusal.cause == .full && model.waiting.count >= 12, "step \(step)")
                    try #require(!isRoom(), "step \(step): refused although there is room")
                case nil:
                    #expect(!standing.contains { !excluded.contains($0.key) && $0.value.standing != .out })
                }
            case 52..<58:
                guard let prompt = model.waiting.randomElement(using: &random) else { continue }
                table.withdrawWaiting(prompt.id)
                model.remove(prompt.id)
            case 58..<70:
                if let lease = held.randomElement(using: &random) { table.firstResponse(lease, at: at(now)) }
            default:
                guard !held.isEmpty else { continue }
                let lease = held.remove(at: Int.random(in: held.indices, using: &random))
                inFlight[lease.replica, default: 0] -= 1
                table.release(lease, random.chance(0.2) ? .failedBeforeResponse : .served, at: at(now))
            }
            while let dispatch = table.nextDispatch(at: at(now)) {
                let prompt = try #require(model.waiting.first { $0.id == dispatch.id }, "step \(step): it did not wait")
                if let decision = dispatch.decision {
                    if isExact, !prompt.isRetry {
                        try #require(model.isNext(prompt), "step \(step): it was not its turn")
                    }
                    try take(decision, passesLimits: false, step)
                    model.sent(dispatch.id)
                } else {
                    if dispatch.refusal != nil {
                        try #require(now >= refuseAt[dispatch.id] ?? .max, "step \(step): refused before its time")
                    }
                    model.remove(dispatch.id)
                }
            }
            for prompt in model.waiting {
                try #require(now < refuseAt[prompt.id] ?? 0, "step \(step): it waits for too long")
            }
            if isExact, model.waiting.contains(where: { !$0.isRetry }) {
                try #require(!isRoom(), "step \(step): somebody waits although there is room")
            }
            try #require(table.waitingCount == model.waiting.count, "step \(step)")
            try #require((table.wakeAt == nil) == model.waiting.isEmpty, "step \(step)")
            try #require(table.totalInFlight == held.count, "step \(step)")
            try #require(table.checkInvariants() == [], "step \(step)")
        }
        for lease in held { table.release(lease, .served, at: at(now)) }
        #expect(table.totalInFlight == 0)
    }
}
