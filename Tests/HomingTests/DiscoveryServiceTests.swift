import Discovery
import Logging
import Synchronization
import Telemetry
import Testing
import Transport
import Upstream

@testable import homing

/// What becomes of a cluster's replicas when its sources change.
struct DiscoveryServiceTests {
    /// Finds one list, for which the name of the file stands, and then nothing more.
    private final class OneList: ReplicaLookup {
        let subject: String
        private let list: [DiscoveredReplica]
        private let looks = Mutex(0)
        private let whenHandedOn: AsyncStream<Void>.Continuation

        init(_ path: String, _ whenHandedOn: AsyncStream<Void>.Continuation) {
            self.subject = path
            self.list = path.split(separator: ",").map { DiscoveredReplica(address: String($0)) }
            self.whenHandedOn = whenHandedOn
        }

        func look() -> LookupAnswer {
            let look = self.looks.withLock { looks in
                looks += 1
                return looks
            }
            // The second look means that the first one's list has arrived.
            if look == 2 { self.whenHandedOn.yield() }
            return look == 1 ? .replicas(self.list, ttlMs: nil) : .unchanged
        }
    }

    private let cluster: Cluster
    private let service: DiscoveryService
    private let handedOn: AsyncStream<Void>

    init() {
        var settings = ClusterSettings()
        settings.name = "c"
        settings.models = ["m"]
        settings.replicas = [ReplicaSettings(address: Endpoint(.host("fixed", port: 1)))]
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        self.cluster = Cluster(settings: settings, slots: ReplicaSlots(), registry: MetricRegistry(), log: log)
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        self.handedOn = stream
        self.service = DiscoveryService(log: log) { settings, _ in OneList(settings.path, continuation) }
    }

    private func apply(_ sources: (name: String, path: String)...) {
        let settings = sources.map { name, path in
            var source = DiscoverySettings()
            source.kind = .file
            source.name = name
            source.path = path
            source.lookIntervalMs = 1
            return source
        }
        self.service.apply([(self.cluster, settings)])
    }

    /// Waits until so many sources have handed on what they found.
    private func arrivals(_ count: Int) async {
        var arrived = 0
        for await _ in self.handedOn {
            arrived += 1
            if arrived == count { return }
        }
    }

    /// Those that take streams, and who named them.
    private var replicas: [String] {
        self.cluster.rows().filter { $0.drain == nil }.map { row in
            "\(row.replica.name) \(row.origins.map(\.description).joined(separator: " "))"
        }.sorted()
    }

    private func stop() { self.service.apply([]) }

    @Test func `what sources find joins the list, and goes with its last source`() async {
        self.apply(("a", "x:1,fixed:1"), ("b", "x:1,y:1"))
        await self.arrivals(2)
        #expect(
            self.replicas == [
                "fixed:1 static discovery:a", "x:1 discovery:a discovery:b", "y:1 discovery:b",
            ])
        self.apply(("b", "x:1,y:1"))
        #expect(self.replicas == ["fixed:1 static", "x:1 discovery:b", "y:1 discovery:b"])
        self.stop()
        #expect(self.replicas == ["fixed:1 static"] && self.service.sources.isEmpty)
    }

    @Test func `a source that is the same goes on, and one that has changed keeps its replicas until it finds others`()
        async
    {
        self.apply(("a", "x:1"), ("b", "y:1"))
        await self.arrivals(2)
        let before = self.service.sources
        self.apply(("a", "x:1"), ("b", "z:1"))
        #expect(self.service.sources[0].source === before[0].source)
        #expect(self.service.sources[1].source !== before[1].source)
        #expect(self.replicas.contains("x:1 discovery:a") && self.replicas.count == 3)
        await self.arrivals(1)
        #expect(self.replicas == ["fixed:1 static", "x:1 discovery:a", "z:1 discovery:b"])
        self.stop()
    }

    @Test func `a source without models goes by those of its cluster`() async {
        self.apply(("a", "x:1"))
        await self.arrivals(1)
        #expect(self.service.sources.map(\.settings.models) == [["m"]])
        self.stop()
    }

    @Test func `what is no address to connect to is left out`() async {
        self.apply(("a", "nowhere,x:0,ok:1,http://x:1"))
        await self.arrivals(1)
        #expect(self.replicas == ["fixed:1 static", "ok:1 discovery:a"])
        self.stop()
    }
}
