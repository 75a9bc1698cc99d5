import Foundation
import Logging
import Routing
import Telemetry
import Testing
import Transport
import Wire

@testable import Upstream

/// Replicas that come and go, without a socket.
@Suite struct ClusterReplicasTests {
    private static func settings(_ ports: Int..., weight: Int = 1) -> [ReplicaSettings] {
        ports.map { ReplicaSettings(address: Endpoint(.host("w", port: $0)), weight: weight) }
    }

    private static func cluster(
        _ replicas: [ReplicaSettings], registry: MetricRegistry = MetricRegistry(), slots: ReplicaSlots = ReplicaSlots()
    ) -> Cluster {
        var settings = ClusterSettings()
        settings.name = "c"
        settings.replicas = replicas
        let cluster = Cluster(
            settings: settings, slots: slots, registry: registry,
            log: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        return cluster
    }

    private static let noHint = PrefixChain(settings: RoutingSettings())

    private static func chain(_ text: String) -> PrefixChain {
        var chain = PrefixChain(settings: RoutingSettings())
        chain.begin(salt: 0)
        Array(text.utf8).withRawSpan { chain.append($0) }
        chain.finish()
        return chain
    }

    private static func pick(_ cluster: Cluster, _ chain: PrefixChain = Self.noHint) throws -> (Replica, PickDecision) {
        try #require(cluster.pick(chain, excluding: [], at: Loop.now))
    }

    /// Sees off everybody who may go now.
    private static func seeOff(_ cluster: Cluster, at now: UInt64 = Loop.now) -> [Cluster.LeavingStep] {
        cluster.leaving.map { cluster.leave($0.replica, departure: $0.departure, at: now) }
    }

    @Test func `a list is compared by address, and says what it changed`() {
        let cluster = Self.cluster(Self.settings(1, 2, 3))
        let wanted = Self.settings(2) + Self.settings(3, weight: 5) + Self.settings(4, 4)
        let changes = cluster.reconcile(wanted)
        #expect(changes.added == ["w:4"] && changes.removed == ["w:1"])
        #expect(changes.reweighted == ["w:3"] && changes.unchanged == ["w:2"])
        #expect(cluster.replicas.map(\.name) == ["w:1", "w:2", "w:3", "w:4"], "it is here until it is gone")
        #expect(cluster.rows().map(\.weight) == [1, 1, 5, 1])
        #expect(Self.seeOff(cluster) == [.gone(isCut: false)])
        #expect(cluster.replicas.map(\.name) == ["w:2", "w:3", "w:4"])
        #expect(cluster.reconcile(wanted).isEmpty)
    }

    @Test func `what two sources name lives until the last one lets it go`() {
        let cluster = Self.cluster(Self.settings(1))
        let dns = ReplicaOrigin.discovery("dns")
        #expect(cluster.reconcile(Self.settings(1, 2), origin: dns).added == ["w:2"])
        #expect(cluster.rows().map(\.origins) == [[.static, dns], [dns]])
        #expect(cluster.reconcile([]).kept == ["w:1"] && cluster.leaving.isEmpty)
        #expect(cluster.reconcile(Self.settings(3)).added == ["w:3"])
        #expect(cluster.reconcile([], origin: .discovery("file")).isEmpty, "it never named any")
        #expect(cluster.reconcile(Self.settings(2), origin: dns).removed == ["w:1"])
        #expect(Self.seeOff(cluster) == [.gone(isCut: false)])
        #expect(cluster.replicas.map(\.name) == ["w:2", "w:3"])
    }

    @Test func `the weight of the configuration counts before that of other sources`() {
        let cluster = Self.cluster(Self.settings(1, weight: 3))
        #expect(cluster.reconcile(Self.settings(1, weight: 9), origin: .discovery("dns")).unchanged == ["w:1"])
        #expect(cluster.rows()[0].weight == 3)
        #expect(cluster.reconcile([]).kept == ["w:1"])
        #expect(cluster.rows()[0].weight == 9)
    }

    @Test func `what an operator takes out stays out until its list has let it go`() throws {
        let cluster = Self.cluster(Self.settings(1, 2))
        #expect(try cluster.remove("w:1") == .leaves)
        #expect(cluster.reconcile(Self.settings(1, 2)).dismissed == ["w:1"] && cluster.leaving.count == 1)
        #expect(Self.seeOff(cluster) == [.gone(isCut: false)])
        #expect(cluster.reconcile(Self.settings(1, 2)).dismissed == ["w:1"])
        #expect(cluster.replicas.map(\.name) == ["w:2"])
        let dns = ReplicaOrigin.discovery("dns")
        #expect(cluster.reconcile(Self.settings(1), origin: dns).added == ["w:1"], "somebody else may name it")
        #expect(cluster.reconcile([], origin: dns).removed == ["w:1"])
        #expect(cluster.reconcile(Self.settings(2)).dismissed.isEmpty)
        #expect(cluster.reconcile(Self.settings(1, 2)).added == ["w:1"], "named anew")
    }

    @Test func `the admin port takes back what it added, and no more`() throws {
        let cluster = Self.cluster(Self.settings(1))
        try cluster.add(ReplicaSettings(address: Endpoint(.host("w", port: 2)), weight: 4))
        #expect(cluster.rows()[1].origins == [.api] && cluster.rows()[1].weight == 4)
        #expect(cluster.reconcile(Self.settings(1)).isEmpty, "a reload leaves it alone")
        cluster.reconcile(Self.settings(2), origin: .discovery("dns"))
        #expect(try cluster.remove("w:2") == .kept([.discovery("dns")]))
        #expect(cluster.reconcile([], origin: .discovery("dns")).removed == ["w:2"])
    }

    @Test func `mistakes have names`() throws {
        let cluster = Self.cluster(Self.settings(1))
        let address = Endpoint(.host("w", port: 1))
        #expect(throws: ReplicaProblem.alreadyThere("w:1")) { try cluster.add(ReplicaSettings(address: address)) }
        for name in ["w:2", "", "W:1"] {
            #expect(throws: ReplicaProblem.unknown(name)) { try cluster.drain(name) }
            #expect(throws: ReplicaProblem.unknown(name)) { try cluster.undrain(name) }
            #expect(throws: ReplicaProblem.unknown(name)) { try cluster.remove(name) }
        }
        #expect(try cluster.drain("w:1") && !cluster.drain("w:1"))
        #expect(try cluster.undrain("w:1") && !cluster.undrain("w:1"))
        try cluster.remove("w:1")
        #expect(throws: ReplicaProblem.leaving("w:1")) { try cluster.drain("w:1") }
        #expect(try cluster.remove("w:1") == .leaves, "twice is no mistake")
        try cluster.add(ReplicaSettings(address: address))
        #expect(cluster.leaving.isEmpty && cluster.rows()[0].availability == .available)
    }

    @Test func `one that drains takes nothing new, keeps its streams, and is back with what it had cached`() throws {
        let cluster = Self.cluster(Self.settings(1, 2))
        let prompt = Self.chain(String(repeating: "x", count: 1_500))
        let (home, first) = try Self.pick(cluster, prompt)
        #expect(try cluster.drain(home.name))
        #expect(cluster.rows().first { $0.replica === home }?.availability == .draining && cluster.leaving.isEmpty)
        for _ in 0..<5 {
            let (other, decision) = try Self.pick(cluster, prompt)
            #expect(other !== home)
            cluster.release(decision.lease, .cancelled)
        }
        #expect(cluster.inFlight(of: home) == 1)
        cluster.release(first.lease, .answered)
        // Hours later it is still here.
        #expect(Self.seeOff(cluster, at: .max).isEmpty && cluster.replicas.count == 2)
        #expect(try cluster.undrain(home.name))
        #expect(cluster.rows().first { $0.replica === home }?.cachedBlocks == 3)
    }

    @Test func `a restart while it drains empties what it is believed to hold`() throws {
        let cluster = Self.cluster(Self.settings(1))
        let (home, decision) = try Self.pick(cluster, Self.chain(String(repeating: "x", count: 1_500)))
        cluster.release(decision.lease, .answered)
        try cluster.drain(home.name)
        cluster.connectionEvicted(home, .connectFailed(.refused))
        cluster.probed(home, .alive, latencyNs: 1)
        try cluster.undrain(home.name)
        #expect(cluster.rows()[0].availability == .available && cluster.rows()[0].cachedBlocks == 0)
    }

    @Test func `one that leaves waits for its streams, or for its time to be over`() throws {
        let registry = MetricRegistry()
        let cluster = Self.cluster(Self.settings(1), registry: registry)
        let replica = cluster.replicas[0]
        let (_, first) = try Self.pick(cluster)
        try cluster.remove("w:1")
        #expect(cluster.pick(Self.noHint, excluding: [], at: Loop.now) == nil && cluster.shortage() == .unreachable)
        #expect(!cluster.answersHealth && !cluster.isUsable)
        #expect(Self.seeOff(cluster) == [.waits] && !replica.isGone)
        let limitNs = UInt64(cluster.settings.replicaDrainTimeoutMs) * 1_000_000
        #expect(Self.seeOff(cluster, at: Loop.now + limitNs / 2) == [.waits])
        #expect(Self.seeOff(cluster, at: Loop.now + limitNs) == [.gone(isCut: true)])
        #expect(replica.isGone && cluster.replicas.isEmpty && cluster.totalInFlight == 1)
        cluster.firstResponse(first.lease, at: Loop.now)
        cluster.release(first.lease, .failed(.connectionLost))
        #expect(cluster.totalInFlight == 0)
        let page = registry.exposition()
        #expect(!page.contains("w:1"))
    }

    @Test func `a departure that was called off does not happen later`() throws {
        let cluster = Self.cluster(Self.settings(1))
        try cluster.remove("w:1")
        let (replica, departure) = try #require(cluster.leaving.first)
        #expect(try cluster.undrain("w:1"))
        #expect(cluster.rows()[0].origins == [.static], "as before")
        #expect(cluster.leave(replica, departure: departure, at: .max) == .stays)
        try cluster.remove("w:1", now: true)
        #expect(cluster.leave(replica, departure: departure, at: .max) == .stays, "that was another one")
        #expect(Self.seeOff(cluster) == [.gone(isCut: false)])
    }

    @Test func `what is heard of one that is gone changes nothing about the one in its place`() throws {
        let slots = ReplicaSlots()
        let registry = MetricRegistry()
        let cluster = Self.cluster(Self.settings(1, 2), registry: registry, slots: slots)
        let gone = cluster.replicas[0]
        let lease = cluster.lease(gone)
        try cluster.remove("w:1", now: true)
        #expect(Self.seeOff(cluster) == [.gone(isCut: true)])
        slots.giveBack(gone.slot)
        try cluster.add(ReplicaSettings(address: Endpoint(.host("w", port: 3))))
        let new = try #require(cluster.replicas.last)
        #expect((new.slot, new.place) == (gone.slot, gone.place) && new.serial != gone.serial && new.id != gone.id)
        #expect(slots.inUse == 2)
        let before = cluster.rows()[1]
        cluster.probed(gone, .alive, latencyNs: 1)
        cluster.connectionEvicted(gone, .connectFailed(.refused))
        cluster.stalled(gone)
        cluster.resumed(gone)
        cluster.forgot(gone)
        cluster.setModel(of: gone, .loaded(1), why: "late")
        cluster.setSlots(of: gone, 8)
        cluster.remember(1, gone)
        cluster.onWake(of: gone) { Issue.record("nobody is there to be woken") }
        cluster.wakeProber(of: new)
        cluster.release(lease, .failed(.reset(.internalError)))
        let after = cluster.rows()[1]
        #expect(after.availability == before.availability && after.model == before.model && after.evictions == 0)
        #expect(after.inFlight == 0 && cluster.totalInFlight == 0 && !cluster.knows(1))
        #expect(cluster.name(of: gone.id) == "w:1" && cluster.name(of: new.id) == "w:3")
        #expect(!registry.exposition().contains("w:1"))
    }

    @Test func `jobs of one that is gone are remembered nowhere`() throws {
        let cluster = Self.cluster(Self.settings(1))
        cluster.remember(7, cluster.replicas[0])
        #expect(cluster.knows(7))
        try cluster.remove("w:1")
        #expect(cluster.knows(7), "it may be back")
        _ = Self.seeOff(cluster)
        #expect(!cluster.knows(7))
    }

    @Test func `one that joins is asked for the model that is remembered before it gets streams`() throws {
        let cluster = Self.cluster(Self.settings(1))
        cluster.expect(model: Array("m".utf8))
        try cluster.add(ReplicaSettings(address: Endpoint(.host("w", port: 2))))
        cluster.probed(cluster.replicas[1], .alive, latencyNs: 1)
        #expect(cluster.rows().map(\.availability) == [.available, .notLoaded])
        cluster.setModel(of: cluster.replicas[1], .loaded(1), why: "test")
        #expect(cluster.rows()[1].availability == .available)
    }

    @Test func `one that joins gets its streams little by little`() throws {
        var settings = ClusterSettings()
        settings.name = "c"
        settings.routing.policy = .roundRobin
        settings.routing.slowStartMs = 3_600_000
        settings.replicas = Self.settings(1)
        let cluster = Cluster(
            settings: settings, slots: ReplicaSlots(), registry: MetricRegistry(),
            log: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        cluster.probed(cluster.replicas[0], .alive, latencyNs: 1)
        try cluster.add(ReplicaSettings(address: Endpoint(.host("w", port: 2))))
        cluster.probed(cluster.replicas[1], .alive, latencyNs: 1)
        for _ in 0..<100 { cluster.release(try Self.pick(cluster).1.lease, .cancelled) }
        // One to begin with, and a tenth of a half of the others.
        #expect(cluster.rows().map(\.picks) == [94, 6])
    }

    @Test func `settings change while leases are out, and the name of nobody`() throws {
        let cluster = Self.cluster(Self.settings(1, 2))
        let first = try Self.pick(cluster, Self.chain(String(repeating: "x", count: 1_500)))
        var settings = cluster.settings
        settings.routing.policy = .prefixCache
        settings.routing.admission.maxInFlight = .streams(1)
        settings.probe.failuresToEject = 1
        cluster.apply(settings)
        #expect(cluster.settings == settings && cluster.rows().allSatisfy { $0.limit == 1 && $0.cachedBlocks == 0 })
        let second = try Self.pick(cluster)
        #expect(second.0 !== first.0, "the first one is full now")
        cluster.probed(second.0, .unreachable(refused: false), latencyNs: 1)
        #expect(cluster.rows().first { $0.replica === second.0 }?.availability == .unreachable)
        for (_, decision) in [first, second] { cluster.release(decision.lease, .failed(.refused)) }
        #expect(cluster.totalInFlight == 0)
    }

    @Test func `a cluster is never larger than it may be`() {
        let cluster = Self.cluster([])
        let wanted = (1...Cluster.maxReplicas + 2).map { ReplicaSettings(address: Endpoint(.host("w", port: $0))) }
        let changes = cluster.reconcile(wanted, origin: .discovery("dns"))
        #expect(changes.added.count == Cluster.maxReplicas && changes.refused == ["w:1025", "w:1026"])
        #expect(throws: ReplicaProblem.tooMany(limit: Cluster.maxReplicas)) {
            try cluster.add(wanted[Cluster.maxReplicas])
        }
    }
}
