package import Routing

/// The planner of `expected_ttft` with nothing left to learn: the same costs, the same order of the waiting prompts and
/// the same settings, but every cache, every queue and every duration is read from the simulation. What it does better
/// than `expected_ttft` is what learning costs.
package struct TruePlannerRouter: Router {
    private let settings: ExpectedTTFTSettings
    private var waiting: [Waiting] = []
    private var waitingPerReplica = 0.0
    private var waitingAt: Double?
    /// By replica, in seconds: until it would start one more prompt, the part of that which stands in its queue, and the
    /// change of the replica in which that was so.
    private var starts: [Double]
    private var queues: [Double]
    private var seen: [Int]
    private var nextWake = 0.0

    private var heads: SharedHeads

    private struct Waiting {
        var request: Int
        /// By replica: its own prefill there, in seconds, the blocks of it that are cached there, what others pay for, in
        /// seconds of the reference replica, and the change of the replica in which that was so.
        var own: [Double]
        var held: [Int]
        var charged: [Double]
        var seen: [Int]
        var order = 0.0
        /// Seconds that it may wait at most.
        var patience = 0.0
    }

    package init(_ settings: ExpectedTTFTSettings, replicas: Int) {
        self.settings = settings
        self.starts = Array(repeating: 0, count: replicas)
        self.queues = Array(repeating: 0, count: replicas)
        self.seen = Array(repeating: -1, count: replicas)
        self.heads = SharedHeads(discount: settings.sharingDiscount)
    }

    private var ahead: Double { self.settings.dispatchAheadMs / 1_000 }

    package mutating func arrive(_ request: Int, _ simulation: Simulation) -> Int? {
        self.readStarts(simulation)
        self.observeWaiting(simulation)
        var arrived = Waiting(
            request: request, own: Array(repeating: 0, count: self.starts.count),
            held: Array(repeating: 0, count: self.starts.count), charged: Array(repeating: 0, count: self.starts.count),
            seen: Array(repeating: -1, count: self.starts.count))
        self.look(&arrived, simulation)
        let best = self.cheapest(arrived, simulation)
        let holds = self.settings.maxWaitMs > 0 && self.waiting.count < AdmissionSettings().maxWaiting
        if !holds || (self.waiting.isEmpty && self.starts[best] <= self.ahead) {
            self.heads.note(simulation.trace.requests[request].blocks, at: simulation.now)
            return best
        }
        let soonest = zip(self.starts, arrived.own).map { $0 + $1 }.min() ?? 0
        arrived.patience = soonest * self.settings.patience(replicas: self.starts.count)
        self.waiting.append(arrived)
        return nil
    }

    package mutating func dispatch(_ simulation: Simulation) -> (request: Int, replica: Int)? {
        guard !self.waiting.isEmpty else { return nil }
        self.readStarts(simulation)
        let soonest = self.starts.min() ?? 0
        self.nextWake = simulation.now + min(max(soonest - self.ahead, 0.001), 10)
        guard soonest <= self.ahead || self.waiting.contains(where: { self.isDue($0, simulation) }) else {
            return nil
        }
        for position in self.waiting.indices {
            var waiting = self.waiting[position]
            self.look(&waiting, simulation)
            self.waiting[position] = waiting
            let arrival = simulation.trace.requests[self.waiting[position].request].arrivalMs / 1_000
            let smallest = self.waiting[position].own.min() ?? 0
            self.waiting[position].order = arrival + self.settings.waitPerWork * smallest
        }
        self.waiting.sort { ($0.order, $0.request) < ($1.order, $1.request) }
        for position in self.waiting.indices {
            let best = self.cheapest(self.waiting[position], simulation)
            if self.starts[best] <= self.ahead || self.isDue(self.waiting[position], simulation) {
                let request = self.waiting.remove(at: position).request
                self.heads.note(simulation.trace.requests[request].blocks, at: simulation.now)
                return (request, best)
            }
            self.starts[best] += self.waiting[position].own[best]
        }
        return nil
    }

    package var wakeAt: Double? { self.waiting.isEmpty ? nil : self.nextWake }

    private func isDue(_ waiting: Waiting, _ simulation: Simulation) -> Bool {
        let arrival = simulation.trace.requests[waiting.request].arrivalMs
        return simulation.now >= arrival / 1_000 + min(Double(self.settings.maxWaitMs) / 1_000, waiting.patience)
    }

    private mutating func readStarts(_ simulation: Simulation) {
        for (position, replica) in simulation.replicas.enumerated() {
            if self.seen[position] != replica.changes {
                self.queues[position] = replica.queueSeconds(simulation.trace.requests)
                self.seen[position] = replica.changes
            }
            self.starts[position] = self.queues[position] + replica.currentSeconds(at: simulation.now)
            let slots = replica.model.slots
            if slots > 0, replica.inFlight >= slots {
                let excess = Double(replica.inFlight - slots + 1)
                self.starts[position] = max(self.starts[position], excess * replica.meanHoldSeconds / Double(slots))
            }
        }
    }

    /// What the prompt's own prefill takes on each replica. Looked up again where the replica has changed.
    private func look(_ waiting: inout Waiting, _ simulation: Simulation) {
        let request = simulation.trace.requests[waiting.request]
        var isNew = false
        for (position, replica) in simulation.replicas.enumerated() where waiting.seen[position] != replica.changes {
            let held = replica.heldAtStart(request.blocks, simulation.trace.requests)
            waiting.own[position] =
                replica.model.prefillSeconds(request, cached: held, decoding: replica.decoding) * replica.slowness
            waiting.held[position] = held
            waiting.seen[position] = replica.changes
            isNew = true
        }
        guard isNew else { return }
        let unshared = self.heads.unsharedBlocks(request.blocks, held: waiting.held, at: simulation.now)
        for (position, replica) in simulation.replicas.enumerated() {
            let shared = Double(waiting.held[position]) - unshared[waiting.held[position]]
            waiting.charged[position] =
                waiting.own[position] / replica.slowness
                + shared * Double(Trace.blockTokens) / replica.model.prefillTokensPerSecond
        }
    }

    private func cheapest(_ waiting: Waiting, _ simulation: Simulation) -> Int {
        let price = self.settings.price(waiting: self.waitingPerReplica, replicas: self.starts.count)
        var best = 0
        var bestCost = Double.infinity
        var smallest = Double.infinity
        for (position, replica) in simulation.replicas.enumerated() {
            let own = waiting.own[position]
            let cost = self.starts[position] + own + price * waiting.charged[position]
            smallest = min(smallest, own)
            let near = max(0.01, 0.02 * smallest)
            let isEmptier =
                (replica.inFlight, replica.served)
                < (simulation.replicas[best].inFlight, simulation.replicas[best].served)
            if cost < bestCost - near || (cost < bestCost + near && isEmptier) {
                best = position
                bestCost = min(bestCost, cost)
            }
        }
        return best
    }

    private mutating func observeWaiting(_ simulation: Simulation) {
        let waiting = simulation.replicas.reduce(self.waiting.count) { $0 + $1.awaitingFirstToken }
        let elapsed = self.waitingAt.map { simulation.now - $0 }
        let weight = elapsed.map { $0 / ($0 + 15) } ?? 1
        self.waitingPerReplica +=
            weight * (Double(waiting) / Double(simulation.replicas.count) - self.waitingPerReplica)
        self.waitingAt = simulation.now
    }
}
