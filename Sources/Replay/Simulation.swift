import Routing

/// Runs a trace through simulated replicas on virtual time, with one router that decides. Repeatable.
package struct Simulation {
    let trace: Trace
    private let fleet: FleetSettings
    private(set) var replicas: [SimulatedReplica]
    private var events = EventQueue()
    private var random: SplitMix64
    private var placements: [Int?]
    private var held: [Int]
    private var firstTokenAt: [Double]
    private var endAt: [Double]
    /// The wake-up that is asked for, if any, in seconds.
    private var wakeAt: Double?
    /// Seconds since the trace's start.
    package private(set) var now = 0.0
    private var decisions = 0

    package var requests: [Trace.Request] { self.trace.requests }

    package init(_ trace: Trace, _ fleet: FleetSettings) {
        self.trace = trace
        self.fleet = fleet
        self.replicas = (0..<fleet.replicas).map {
            SimulatedReplica(model: fleet.replica, slowness: $0 < fleet.slowness.count ? fleet.slowness[$0] : 1)
        }
        self.random = SplitMix64(seed: fleet.seed)
        self.placements = Array(repeating: nil, count: trace.requests.count)
        self.held = Array(repeating: 0, count: trace.requests.count)
        self.firstTokenAt = Array(repeating: .nan, count: trace.requests.count)
        self.endAt = Array(repeating: .nan, count: trace.requests.count)
    }

    /// Runs it all. `progress` is told now and then how many requests have ended.
    package mutating func run(_ router: inout some Router, progress: (Int) -> Void = { _ in }) -> ReplayResult {
        var arrived = 0
        var ended = 0
        let clock = ContinuousClock()
        var deciding = Duration.zero
        while ended < self.trace.requests.count {
            let nextArrival =
                arrived < self.trace.requests.count ? self.trace.requests[arrived].arrivalMs / 1_000 : .infinity
            let nextWake = self.wakeAt ?? .infinity
            if let event = self.events.first, event.at <= nextArrival, event.at <= nextWake {
                self.events.removeFirst()
                self.now = event.at
                let started = clock.now
                switch event.kind {
                case .firstToken: self.firstToken(event, &router)
                case .end:
                    self.ended(event, &router)
                    ended += 1
                    if ended % 1_000 == 0 { progress(ended) }
                }
                deciding += clock.now - started
            } else if nextWake < nextArrival {
                self.now = max(self.now, nextWake)
                self.wakeAt = nil
            } else {
                self.now = nextArrival
                let request = arrived
                arrived += 1
                self.decisions += 1
                let started = clock.now
                if let replica = router.arrive(request, self) { self.place(request, on: replica) }
                deciding += clock.now - started
            }
            let started = clock.now
            while let (request, replica) = router.dispatch(self) { self.place(request, on: replica) }
            deciding += clock.now - started
            self.wakeAt = router.wakeAt.map { max($0, self.now + 0.000_1) }
        }
        return self.result(seconds: Double(deciding / .nanoseconds(1)) * 1e-9)
    }

    private mutating func place(_ request: Int, on replica: Int) {
        precondition(self.placements[request] == nil, "a request is placed once")
        self.placements[request] = replica
        self.replicas[replica].take(request)
        self.startNext(replica)
    }

    private mutating func startNext(_ replica: Int) {
        let noise =
            self.fleet.noise == 0
            ? 1 : 1 + self.fleet.noise * (2 * Double(self.random.next() >> 11) / Double(1 << 53) - 1)
        guard let start = self.replicas[replica].start(self.trace.requests, at: self.now, noise: noise),
            let request = self.replicas[replica].current
        else { return }
        self.held[request] = start.held
        self.events.add(Event(at: start.endsAt, kind: .firstToken, request: request, replica: replica))
    }

    private mutating func firstToken(_ event: Event, _ router: inout some Router) {
        self.firstTokenAt[event.request] = self.now
        let endsAt = self.replicas[event.replica].firstToken(self.trace.requests[event.request], at: self.now)
        self.events.add(Event(at: endsAt, kind: .end, request: event.request, replica: event.replica))
        self.startNext(event.replica)
        router.firstToken(event.request, self)
    }

    private mutating func ended(_ event: Event, _ router: inout some Router) {
        self.endAt[event.request] = self.now
        self.replicas[event.replica].ended(self.trace.requests[event.request])
        self.startNext(event.replica)
        router.ended(event.request, self)
    }

    private func result(seconds: Double) -> ReplayResult {
        var result = ReplayResult()
        var hits = 0
        var tokens = 0
        for (position, request) in self.trace.requests.enumerated() {
            let arrival = request.arrivalMs / 1_000
            result.ttft.append(self.firstTokenAt[position] - arrival)
            result.endToEnd.append(self.endAt[position] - arrival)
            result.arrivals.append(arrival)
            let hit = min(self.held[position] * Trace.blockTokens, request.inputTokens)
            result.hits.append(Double(hit) / Double(request.inputTokens))
            hits += hit
            tokens += request.inputTokens
            result.placements.append(self.placements[position] ?? 0)
        }
        result.hit = Double(hits) / Double(max(1, tokens))
        let most = self.replicas.map(\.served).max() ?? 0
        result.maxShare = Double(most) / Double(max(1, self.trace.requests.count))
        result.decisionsPerSecond = Double(self.decisions) / max(seconds, 1e-9)
        return result
    }
}

/// Something that will happen.
struct Event {
    enum Kind { case firstToken, end }
    let at: Double
    let kind: Kind
    let request: Int
    let replica: Int
}

/// Events by time, and by the order in which they were added where times are equal: a binary heap.
struct EventQueue {
    private var heap: [(event: Event, serial: Int)] = []
    private var serial = 0

    var first: Event? { self.heap.first?.event }

    mutating func add(_ event: Event) {
        self.serial += 1
        self.heap.append((event, self.serial))
        var child = self.heap.count - 1
        while child > 0, self.isBefore(child, (child - 1) / 2) {
            self.heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() {
        self.heap.swapAt(0, self.heap.count - 1)
        self.heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < self.heap.count && self.isBefore(child, least) {
                least = child
            }
            if least == parent { return }
            self.heap.swapAt(parent, least)
            parent = least
        }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (self.heap[left].event.at, self.heap[left].serial) < (self.heap[right].event.at, self.heap[right].serial)
    }
}
