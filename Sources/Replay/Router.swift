package import Routing

/// Who decides in a simulation. Requests and replicas are named by their positions. What a router looks at of the
/// simulation beyond the trace and the streams in flight is true knowledge, which no proxy has.
package protocol Router {
    /// The request arrived. Returns its replica, or nil to hold it.
    mutating func arrive(_ request: Int, _ simulation: Simulation) -> Int?
    /// A held request to be sent now; asked until it returns nil after everything that happens.
    mutating func dispatch(_ simulation: Simulation) -> (request: Int, replica: Int)?
    mutating func firstToken(_ request: Int, _ simulation: Simulation)
    mutating func ended(_ request: Int, _ simulation: Simulation)
    /// When to be asked again, in seconds, although nothing happens.
    var wakeAt: Double? { get }
}

extension Router {
    package mutating func dispatch(_ simulation: Simulation) -> (request: Int, replica: Int)? { nil }
    package mutating func firstToken(_ request: Int, _ simulation: Simulation) {}
    package mutating func ended(_ request: Int, _ simulation: Simulation) {}
    package var wakeAt: Double? { nil }
}

/// The router that the proxy runs: a `ReplicaTable`, on virtual time.
package struct TableRouter: Router {
    package private(set) var table: ReplicaTable
    private var leases: [Int: Lease] = [:]
    private var chain: PrefixChain
    private let bytesPerToken: Int

    package init(_ settings: RoutingSettings, replicas: Int) {
        var settings = settings
        // So they do here.
        settings.expectedTTFT.startsInLine = true
        self.table = ReplicaTable(settings: settings)
        self.chain = PrefixChain(settings: settings)
        self.bytesPerToken = Int(settings.expectedTTFT.bytesPerToken.rounded())
        for number in 0..<replicas {
            let replica = self.table.add(name: "replica-\(number)", weight: 1)
            self.table.setAvailability(replica, .available)
        }
    }

    package mutating func arrive(_ request: Int, _ simulation: Simulation) -> Int? {
        self.makeChain(simulation.trace.requests[request])
        switch self.table.arrive(UInt64(request), self.chain, at: Self.instant(simulation.now)) {
        case .picked(let decision): return self.keep(decision, of: request)
        case .hold: return nil
        case .refused: preconditionFailure("no simulated replica is ever full")
        case nil: preconditionFailure("every simulated replica is available")
        }
    }

    package mutating func dispatch(_ simulation: Simulation) -> (request: Int, replica: Int)? {
        guard let dispatch = self.table.nextDispatch(at: Self.instant(simulation.now)),
            let decision = dispatch.decision
        else { return nil }
        return (Int(dispatch.id), self.keep(decision, of: Int(dispatch.id)))
    }

    package mutating func firstToken(_ request: Int, _ simulation: Simulation) {
        guard let lease = self.leases[request] else { return }
        self.table.firstResponse(lease, at: Self.instant(simulation.now))
    }

    package mutating func ended(_ request: Int, _ simulation: Simulation) {
        guard let lease = self.leases.removeValue(forKey: request) else { return }
        let observation = StreamObservation(promptTokens: simulation.trace.requests[request].inputTokens)
        self.table.release(lease, .served, observation, at: Self.instant(simulation.now))
    }

    package var wakeAt: Double? { self.table.wakeAt.map { Double($0.nanoseconds) * 1e-9 } }

    private mutating func keep(_ decision: PickDecision, of request: Int) -> Int {
        self.leases[request] = decision.lease
        return Int(decision.replica.number)
    }

    private mutating func makeChain(_ request: Trace.Request) {
        self.chain.begin(salt: 0)
        if let prompt = request.prompt {
            let bytes = Array(prompt.utf8)
            self.chain.append(bytes.span)
        } else {
            var left = request.inputTokens
            for block in request.blocks {
                self.chain.append(block: block, bytes: min(left, Trace.blockTokens) * self.bytesPerToken)
                left -= Trace.blockTokens
            }
        }
        self.chain.finish()
    }

    private static func instant(_ seconds: Double) -> Instant {
        Instant(nanoseconds: UInt64((seconds * 1e9).rounded()))
    }
}
