import Logging
import Routing
import Telemetry
import Testing
import Transport
import Wire

@testable import Upstream

@Suite struct ClusterTests {
    /// - Parameter firstSlot: slots that another cluster has.
    private static func cluster(replicas: Int = 2, firstSlot: Int = 0) -> Cluster {
        let slots = ReplicaSlots()
        for _ in 0..<firstSlot { _ = slots.take() }
        var settings = ClusterSettings()
        settings.name = "c"
        settings.replicas = (1...replicas).map { ReplicaSettings(address: Endpoint(.host("127.0.0.1", port: $0))) }
        return Cluster(
            settings: settings, slots: slots, registry: MetricRegistry(),
            log: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
    }

    private static func chain(_ text: String) -> PrefixChain {
        var chain = PrefixChain(settings: RoutingSettings())
        chain.begin(salt: 0)
        Array(text.utf8).withRawSpan { chain.append($0) }
        chain.finish()
        return chain
    }

    private static let empty = PrefixChain(settings: RoutingSettings())

    private func availability(_ cluster: Cluster, _ position: Int) -> Availability {
        cluster.rows()[position].availability
    }

    @Test func `a replica is unknown, answers, loses a connection, is refused, and comes back`() {
        let cluster = Self.cluster(replicas: 1)
        let replica = cluster.replicas[0]
        #expect(self.availability(cluster, 0) == .unknown && cluster.isUsable && !cluster.hasAvailableReplica)
        cluster.probed(replica, .alive, latencyNs: 1)
        #expect(self.availability(cluster, 0) == .available && cluster.hasAvailableReplica && cluster.answersHealth)
        cluster.connectionEvicted(replica, .connectionLost)
        #expect(self.availability(cluster, 0) == .suspect && cluster.isUsable && !cluster.answersHealth)
        cluster.connectionEvicted(replica, .connectFailed(.refused))
        #expect(self.availability(cluster, 0) == .unreachable && !cluster.isUsable)
        #expect(cluster.shortage() == .unreachable)
        #expect(cluster.pick(Self.empty, excluding: [], at: Loop.now) == nil)
        cluster.probed(replica, .busy, latencyNs: 1)
        #expect(self.availability(cluster, 0) == .unreachable)
        cluster.probed(replica, .alive, latencyNs: 1)
        #expect(self.availability(cluster, 0) == .available)
        #expect(cluster.rows()[0].evictions == 2)
    }

    @Test func `a replica that stalls is a last resort until each of its connections is heard again`() {
        let cluster = Self.cluster()
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        let replica = cluster.replicas[0]
        cluster.stalled(replica)
        cluster.stalled(replica)
        #expect(self.availability(cluster, 0) == .stalled)
        #expect(cluster.hasCandidate(besides: []) && !cluster.hasCandidate(besides: [cluster.replicas[1].id]))
        let pick = cluster.pick(Self.empty, excluding: [cluster.replicas[1].id], at: Loop.now)
        #expect(pick?.0 === replica, "better than nobody")
        if let pick { cluster.release(pick.1.lease, .cancelled) }
        cluster.resumed(replica)
        #expect(self.availability(cluster, 0) == .stalled)
        cluster.resumed(replica)
        #expect(self.availability(cluster, 0) == .available)
    }

    @Test func `failed streams eject a replica, and one that is answered brings it back`() throws {
        let cluster = Self.cluster()
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        func stream(_ outcome: UpstreamOutcome) throws {
            let (replica, decision) = try #require(
                cluster.pick(Self.empty, excluding: [cluster.replicas[1].id], at: Loop.now))
            #expect(replica === cluster.replicas[0])
            cluster.release(decision.lease, outcome)
        }
        for _ in 0..<5 { try stream(.failed(.reset(.internalError))) }
        #expect(self.availability(cluster, 0) == .ejected)
        cluster.lookForOutliers(at: Loop.now + 7_000_000_000)
        #expect(self.availability(cluster, 0) == .trial)
        try stream(.answered)
        #expect(self.availability(cluster, 0) == .available)
        for _ in 0..<5 { try stream(.failed(.reset(.internalError))) }
        cluster.connectionEvicted(cluster.replicas[0], .connectFailed(.refused))
        #expect(self.availability(cluster, 0) == .unreachable)
        cluster.probed(cluster.replicas[0], .alive, latencyNs: 1)
        #expect(self.availability(cluster, 0) == .available, "another process starts afresh")
    }

    @Test func `one lost connection is one failure, however many streams it carried`() throws {
        let cluster = Self.cluster()
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        for _ in 0..<20 {
            let (_, decision) = try #require(
                cluster.pick(Self.empty, excluding: [cluster.replicas[1].id], at: Loop.now))
            cluster.release(decision.lease, .failed(.connectionLost))
        }
        cluster.connectionEvicted(cluster.replicas[0], .connectionLost)
        cluster.probed(cluster.replicas[0], .alive, latencyNs: 1)
        #expect(self.availability(cluster, 0) == .available)
    }

    @Test func `what befalls a replica that is out already does not keep it out after its return`() {
        let cluster = Self.cluster()
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        for _ in 0..<20 {
            cluster.connectionEvicted(cluster.replicas[0], .connectionLost)
            cluster.stalled(cluster.replicas[0])
            cluster.resumed(cluster.replicas[0])
        }
        cluster.probed(cluster.replicas[0], .alive, latencyNs: 1)
        #expect(self.availability(cluster, 0) == .available)
        // One that takes connections and drops them, again and again, answers every probe.
        for _ in 0..<4 {
            cluster.connectionEvicted(cluster.replicas[0], .connectionLost)
            cluster.probed(cluster.replicas[0], .alive, latencyNs: 1)
        }
        #expect(self.availability(cluster, 0) == .ejected)
    }

    @Test func `a busy replica stays in`() {
        let cluster = Self.cluster(replicas: 1)
        cluster.probed(cluster.replicas[0], .alive, latencyNs: 1)
        for _ in 0..<10 { cluster.probed(cluster.replicas[0], .busy, latencyNs: 1) }
        #expect(self.availability(cluster, 0) == .available)
    }

    @Test func `the state of the model decides after that of the process`() {
        let cluster = Self.cluster(replicas: 1)
        let replica = cluster.replicas[0]
        cluster.probed(replica, .alive, latencyNs: 1)
        for (model, expected, shortage) in [
            (ReplicaModel.loading, Availability.loading, Cluster.Shortage.loading), (.missing, .notLoaded, .notLoaded),
            (.restarted, .notLoaded, .notLoaded), (.unchecked, .suspect, .unreachable),
            (.loaded(1), .available, .unreachable),
            (.unasked, .available, .unreachable),
        ] {
            cluster.setModel(of: replica, model, why: "test")
            #expect(self.availability(cluster, 0) == expected && cluster.shortage() == shortage)
        }
        cluster.setModel(of: replica, .loaded(1), why: "test")
        cluster.connectionEvicted(replica, .connectionLost)
        #expect(cluster.model(of: replica) == .unchecked && self.availability(cluster, 0) == .suspect)
        cluster.probed(replica, .unreachable(refused: true), latencyNs: 1)
        #expect(cluster.model(of: replica) == .restarted && self.availability(cluster, 0) == .unreachable)
        cluster.probed(replica, .alive, latencyNs: 1)
        #expect(self.availability(cluster, 0) == .notLoaded, "another process, which has to be asked first")
    }

    @Test func `"Model not loaded" takes a replica out only when its options are remembered`() {
        let cluster = Self.cluster()
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        #expect(!cluster.foundNotLoaded(cluster.replicas[0]))
        cluster.setModel(of: cluster.replicas[0], .loaded(7), why: "test")
        #expect(cluster.foundNotLoaded(cluster.replicas[0]))
        #expect(self.availability(cluster, 0) == .notLoaded && self.availability(cluster, 1) == .available)
    }

    @Test func `a lost connection keeps what the replica has cached, a lost model or process does not`() {
        for (lose, isKept) in [
            ({ $0.connectionEvicted($1, .connectionLost) }, true),
            (
                {
                    $0.setModel(of: $1, .loaded(1), why: "")
                    $0.connectionEvicted($1, .connectionLost)
                    $0.probed($1, .alive, latencyNs: 1)
                    $0.setModel(of: $1, .loaded(1), why: "still holds it")
                }, true
            ),
            ({ $0.connectionEvicted($1, .connectFailed(.refused)) }, false),
            ({ $0.setModel(of: $1, .missing, why: "") }, false),
            (
                {
                    $0.setModel(of: $1, .loaded(1), why: "")
                    $0.connectionEvicted($1, .connectionLost)
                    $0.probed($1, .alive, latencyNs: 1)
                    $0.setModel(of: $1, .missing, why: "")
                }, false
            ),
            (
                {
                    $0.setModel(of: $1, .loading, why: "")
                    $0.setModel(of: $1, .loaded(1), why: "")
                }, false
            ),
        ] as [((Cluster, Replica) -> Void, Bool)] {
            let cluster = Self.cluster(replicas: 1)
            cluster.probed(cluster.replicas[0], .alive, latencyNs: 1)
            let decision = cluster.pick(Self.chain(String(repeating: "x", count: 1_500)), excluding: [], at: Loop.now)?
                .1
            cluster.release(decision!.lease, .answered)
            #expect(cluster.rows()[0].cachedBlocks == 3)
            lose(cluster, cluster.replicas[0])
            #expect((cluster.rows()[0].cachedBlocks == 3) == isKept)
        }
    }

    @Test func `a lease counts from the pick to its release, whatever came of the stream`() throws {
        let cluster = Self.cluster(replicas: 3, firstSlot: 5)
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        var picked: [(Replica, PickDecision)] = []
        for number in 1...9 {
            picked.append(try #require(cluster.pick(Self.empty, excluding: [], at: Loop.now)))
            #expect(cluster.totalInFlight == number)
        }
        #expect(cluster.replicas.map { cluster.inFlight(of: $0) } == [3, 3, 3])
        let outcomes: [UpstreamOutcome] = [.answered, .cancelled, .failed(.connectionLost)]
        for (number, (_, decision)) in picked.enumerated() { cluster.release(decision.lease, outcomes[number % 3]) }
        #expect(cluster.totalInFlight == 0)
    }

    @Test func `a stream that is tried again goes where it has not been`() throws {
        let cluster = Self.cluster(replicas: 3)
        for replica in cluster.replicas { cluster.probed(replica, .alive, latencyNs: 1) }
        var tried: [ReplicaID] = []
        for _ in 0..<3 {
            let (replica, decision) = try #require(cluster.pick(Self.empty, excluding: tried, at: Loop.now))
            #expect(!tried.contains(replica.id))
            tried.append(replica.id)
            cluster.release(decision.lease, .failed(.refused))
        }
        #expect(cluster.pick(Self.empty, excluding: tried, at: Loop.now) == nil)
    }

    @Test func `suspects get streams only when nobody is known to answer`() throws {
        let cluster = Self.cluster()
        cluster.probed(cluster.replicas[1], .alive, latencyNs: 1)
        for _ in 0..<4 {
            #expect(cluster.pick(Self.empty, excluding: [], at: Loop.now)?.0.id == cluster.replicas[1].id)
        }
        cluster.connectionEvicted(cluster.replicas[1], .connectFailed(.refused))
        #expect(cluster.pick(Self.empty, excluding: [], at: Loop.now)?.0.id == cluster.replicas[0].id)
    }

    @Test func `a replica that is lost wakes its prober`() async {
        let cluster = Self.cluster()
        await confirmation("its own prober is woken", expectedCount: 1) { woken in
            cluster.onWake(of: cluster.replicas[0]) { woken() }
            cluster.onWake(of: cluster.replicas[1]) { Issue.record("another replica's prober") }
            cluster.connectionEvicted(cluster.replicas[0], .connectionLost)
        }
    }
}
