import Foundation
import Logging
import Routing
import Synchronization
import Telemetry
import Testing
import Transport
import Wire

@testable import Upstream

/// Replicas that come and go under random operations, beside a model that is a list.
@Suite struct ClusterReplicasRandomTests {
    /// What should be, said plainly.
    private struct Model {
        struct Replica {
            var port: Int
            var origins: Set<ReplicaOrigin>
            var isDrained = false
            var isLeaving = false
            /// Those that named it when an operator took it out.
            var dismissedBy: Set<ReplicaOrigin> = []
        }
        var replicas: [Replica] = []
        var dismissed: [Int: Set<ReplicaOrigin>] = [:]

        func position(_ port: Int) -> Int? { self.replicas.firstIndex { $0.port == port } }

        mutating func name(_ port: Int, _ origin: ReplicaOrigin) {
            if self.dismissed[port]?.contains(origin) ?? false { return }
            guard let position = self.position(port) else {
                self.replicas.append(Replica(port: port, origins: [origin]))
                return
            }
            self.replicas[position].origins.insert(origin)
            if self.replicas[position].isLeaving {
                self.replicas[position].isLeaving = false
                self.dismissed[port] = nil
            }
        }

        mutating func reconcile(_ ports: [Int], _ origin: ReplicaOrigin) {
            for port in ports { self.name(port, origin) }
            for port in self.dismissed.keys where !ports.contains(port) { self.dismissed[port]?.remove(origin) }
            for position in self.replicas.indices where !ports.contains(self.replicas[position].port) {
                guard self.replicas[position].origins.remove(origin) != nil else { continue }
                if self.replicas[position].origins.isEmpty {
                    self.replicas[position].isLeaving = true
                    self.replicas[position].dismissedBy = []
                }
            }
        }

        mutating func remove(_ position: Int) {
            guard !self.replicas[position].isLeaving else { return }
            if self.replicas[position].origins.remove(.api) == nil {
                self.replicas[position].dismissedBy = self.replicas[position].origins
                self.dismissed[self.replicas[position].port] = self.replicas[position].origins
                self.replicas[position].origins = []
                self.replicas[position].isLeaving = true
            } else if self.replicas[position].origins.isEmpty {
                self.replicas[position].dismissedBy = []
                self.replicas[position].isLeaving = true
            }
        }

        mutating func undrain(_ position: Int) {
            guard self.replicas[position].isDrained || self.replicas[position].isLeaving else { return }
            self.dismissed[self.replicas[position].port] = nil
            self.replicas[position].isDrained = false
            guard self.replicas[position].isLeaving else { return }
            self.replicas[position].isLeaving = false
            let by = self.replicas[position].dismissedBy
            self.replicas[position].origins = by.isEmpty ? [.api] : by
        }
    }

    @Test(arguments: [PolicyName.roundRobin, .prefixCache, .expectedTTFT])
    func `random changes under open streams give what the model gives, and leave nothing`(policy: PolicyName) throws {
        let fixed = ProcessInfo.processInfo.environment["HOMING_TEST_SEED"].flatMap { UInt64($0) }
        let seed = fixed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        print("\(#function) \(policy): HOMING_TEST_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        let slots = ReplicaSlots()
        let registry = MetricRegistry()
        var settings = ClusterSettings()
        settings.name = "c"
        settings.routing.policy = policy
        settings.routing.admission.maxInFlight = .streams(4)
        settings.replicaDrainTimeoutMs = 0
        let cluster = Cluster(
            settings: settings, slots: slots, registry: registry,
            log: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        let origins: [ReplicaOrigin] = [.static, .api, .discovery("dns")]
        var model = Model()
        var leases: [Lease] = []
        for step in 0..<1_500 {
            let port = Int.random(in: 1...6, using: &random)
            let name = "w:\(port)"
            let position = model.position(port)
            let address = Endpoint(.host("w", port: port))
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<8:
                let origin = origins[Int.random(in: 0..<3, using: &random)]
                let ports = (1...6).filter { _ in Bool.random(using: &random) }
                cluster.reconcile(
                    ports.map { ReplicaSettings(address: Endpoint(.host("w", port: $0))) }, origin: origin)
                model.reconcile(ports, origin)
            case 8..<14:
                let isThere = position.map { !model.replicas[$0].isLeaving } ?? false
                let added: Void? = try? cluster.add(ReplicaSettings(address: address))
                try #require((added == nil) == isThere, "step \(step)")
                if !isThere {
                    model.dismissed[port]?.remove(.api)
                    model.name(port, .api)
                }
            case 14..<18:
                let mayDrain = position.map { !model.replicas[$0].isLeaving } ?? false
                try #require(((try? cluster.drain(name)) != nil) == mayDrain, "step \(step)")
                if mayDrain, let position { model.replicas[position].isDrained = true }
            case 18..<22:
                try #require(((try? cluster.undrain(name)) != nil) == (position != nil), "step \(step)")
                if let position { model.undrain(position) }
            case 22..<27:
                try #require(((try? cluster.remove(name)) != nil) == (position != nil), "step \(step)")
                if let position { model.remove(position) }
            case 27..<34:
                for (replica, departure) in cluster.leaving {
                    let isIdle = cluster.inFlight(of: replica) == 0
                    let step = cluster.leave(replica, departure: departure, at: Loop.now)
                    try #require(step == .gone(isCut: !isIdle))
                    slots.giveBack(replica.slot)
                    model.replicas.removeAll { "w:\($0.port)" == replica.name }
                }
            case 34..<42:
                if let replica = cluster.replicas.randomElement(using: &random) {
                    cluster.probed(replica, .alive, latencyNs: 1)
                }
            case 42..<70:
                let takes = cluster.rows().filter { $0.availability.standing != .out }.map(\.replica.id)
                let picked = cluster.pick(Self.chain(&random), excluding: [], at: Loop.now)
                try #require((picked == nil) == takes.isEmpty, "step \(step)")
                if let picked {
                    try #require(takes.contains(picked.0.id) && picked.0.id == picked.1.replica, "step \(step)")
                    leases.append(picked.1.lease)
                }
            case 70..<78:
                if let lease = leases.randomElement(using: &random) { cluster.firstResponse(lease, at: Loop.now) }
            default:
                guard !leases.isEmpty else { continue }
                let lease = leases.remove(at: Int.random(in: leases.indices, using: &random))
                cluster.release(lease, [.answered, .cancelled, .failed(.refused)].randomElement(using: &random)!)
            }
            let rows = cluster.rows()
            try #require(rows.map(\.replica.name) == model.replicas.map { "w:\($0.port)" }, "step \(step)")
            try #require(
                rows.map { $0.drain != nil } == model.replicas.map { $0.isDrained || $0.isLeaving }, "step \(step)")
            try #require(rows.map { Set($0.origins) } == model.replicas.map(\.origins), "step \(step)")
            try #require(rows.allSatisfy { ($0.availability == .draining) == ($0.drain != nil) }, "step \(step)")
            try #require(cluster.totalInFlight == leases.count && slots.inUse == rows.count, "step \(step)")
            try #require(Set(rows.map(\.replica.slot)).count == rows.count, "step \(step)")
            try #require(cluster.state.withLock { $0.table.checkInvariants() } == [], "step \(step)")
        }
        for lease in leases { cluster.release(lease, .answered) }
        #expect(cluster.totalInFlight == 0 && cluster.waitingCount == 0)
    }

    private static func chain(_ random: inout SplitMix64) -> PrefixChain {
        var chain = PrefixChain(settings: RoutingSettings())
        chain.begin(salt: 0)
        let letter = UInt8.random(in: 97...99, using: &random)
        Array(repeating: letter, count: Int.random(in: 0...2_000, using: &random)).withRawSpan { chain.append($0) }
        chain.finish()
        return chain
    }
}
