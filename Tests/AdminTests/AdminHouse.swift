import Admin
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

/// An admin source whose answers the test sets.
final class FakeSource: AdminSource {
    struct State: Sendable {
        var readiness = Readiness.serving
        var clusters = [ClusterSnapshot.chat(usable: 1)]
        var replicas = [ReplicaSnapshot.warm, .fresh]
        var decisions = [DecisionSnapshot.warm]
        var events = [EventSnapshot.back, .gone]
        var logLevel = "info"
        var orders: [(order: ReplicaOrder, cluster: String?)] = []
        var refusal: AdminRefusal?
        var report = ReloadReport(result: .unchanged, generation: 1)
    }

    let state = Mutex(State())

    var readiness: Readiness { self.state.withLock { $0.readiness } }
    func clusters() -> [ClusterSnapshot] { self.state.withLock { $0.clusters } }
    func replicas() -> [ReplicaSnapshot] { self.state.withLock { $0.replicas } }
    func decisions(_ limit: Int) -> [DecisionSnapshot] { self.state.withLock { Array($0.decisions.prefix(limit)) } }
    func history() -> TrafficHistory { .twoIntervals }
    var settings: SettingsSnapshot { .small }
    var logLevel: String { self.state.withLock { $0.logLevel } }

    func events(_ limit: Int, after: Int) -> [EventSnapshot] {
        self.state.withLock { Array($0.events.filter { $0.id > after }.prefix(limit)) }
    }

    func carryOut(_ order: ReplicaOrder, cluster: String?) throws(AdminRefusal) -> ReplicaOutcome {
        let refusal = self.state.withLock { state in
            state.orders.append((order, cluster))
            return state.refusal
        }
        if let refusal { throw refusal }
        return ReplicaOutcome(cluster: cluster ?? "chat", id: "a", result: .added, inFlight: 3, origins: ["api"])
    }

    func reload() async -> ReloadReport { self.state.withLock { $0.report } }

    func setLogLevel(_ name: String) -> Bool {
        guard ["info", "debug"].contains(name) else { return false }
        self.state.withLock { $0.logLevel = name }
        return true
    }
}

extension ClusterSnapshot {
    static func chat(_ name: String = "chat", usable: Int) -> ClusterSnapshot {
        ClusterSnapshot(
            name: name, models: ["llama-3", "org/llama"], policy: "prefix_cache", replicas: 2, usableReplicas: usable,
            inFlight: 3, picks: 40, indexBlocks: 512, modelRemembered: true)
    }
}

extension ReplicaSnapshot {
    static let warm = ReplicaSnapshot(
        cluster: "chat", id: "a", address: "10.0.0.1:50052", state: "ready", usable: true, why: "probe answered",
        sinceMs: 61_000, inFlight: 3, picks: 40, weight: 1, modelLoaded: true,
        lastProbe: Probe(outcome: "alive", ageMs: 900, latencyMs: 1.5), evictions: 2, cachedBlocks: 512)
    static let fresh = ReplicaSnapshot(
        cluster: "chat", id: "b\"</script>", address: "10.0.0.2:50052", state: "joining", usable: false, why: "",
        sinceMs: 0, inFlight: 0, picks: 0, weight: 1, modelLoaded: nil, lastProbe: nil, evictions: 0, cachedBlocks: 0)
}

/// One HTTP/1.1 answer, read to the end of its connection.
struct Answer {
    let status: Int
    let headers: [String: String]
    let body: String

    init(_ bytes: ByteBuffer) throws {
        let text = String(buffer: bytes)
        let end = try #require(text.firstRange(of: "\r\n\r\n"), "an answer has a head: \(text)")
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        self.status = try #require(Int(lines[0].split(separator: " ")[1]))
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let colon = try #require(line.firstIndex(of: ":"))
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].drop { $0 == " " }.description
        }
        self.headers = headers
        self.body = String(text[end.upperBound...])
    }
}

/// A running admin port on a port that the system chose, and a client that sends it bytes.
struct AdminHouse {
    let address: AdminAddress
    let source: FakeSource
    let metrics: MetricRegistry
    let services: ServiceGroup
    private let end: AsyncStream<Void>

    /// Runs `body` beside the server, then shuts the server down gracefully and waits for its end.
    static func open(
        _ settings: AdminSettings = .onAnyPort, access: AdminAccess = .open,
        _ body: @escaping @Sendable (AdminHouse) async throws -> Void
    ) async throws {
        let source = FakeSource()
        let metrics = MetricRegistry()
        let (addresses, found) = AsyncStream.makeStream(of: AdminAddress.self)
        let log = Logger(label: "admin-tests") { _ in SwiftLogNoOpLogHandler() }
        let server = AdminServer(settings, source: source, access: access, metrics: metrics, log: log) {
            found.yield($0)
        }
        let services = ServiceGroup(configuration: .init(services: [server], logger: log))
        let (end, ended) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup { group in
            group.addTask {
                defer {
                    found.finish()
                    ended.finish()
                }
                try await services.run()
            }
            var iterator = addresses.makeAsyncIterator()
            if let address = await iterator.next() {
                do {
                    try await body(
                        AdminHouse(
                            address: address, source: source, metrics: metrics, services: services, end: end))
                } catch {
                    await services.triggerGracefulShutdown()
                    throw error
                }
            }
            await services.triggerGracefulShutdown()
            try await group.waitForAll()
        }
    }

    /// Returns when the server has ended.
    func ended() async {
        for await _ in self.end {}
    }

    /// Asks for one page; the connection ends with the answer.
    func ask(
        _ path: String, method: String = "GET", headers: [String] = [], body: String = ""
    ) async throws -> Answer {
        let host = headers.contains { $0.lowercased().hasPrefix("host:") } ? [] : ["Host: \(self.address)"]
        let head = ["\(method) \(path) HTTP/1.1"] + host + ["Connection: close"] + headers
        return try await self.send(head.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    /// Sends these bytes and reads until the server closes.
    func send(_ text: String) async throws -> Answer {
        let channel = try await self.connect()
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var received = ByteBuffer()
            for try await part in inbound { received.writeImmutableBuffer(part) }
            return try Answer(received)
        }
    }

    func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: self.address.host, port: self.address.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
    }
}

extension AdminSettings {
    static var onAnyPort: AdminSettings {
        var settings = AdminSettings()
        settings.address.port = 0
        return settings
    }
}
