import Synchronization
import Testing

@testable import Discovery

/// Answers from a table, and remembers what it was asked.
final class FakeResolver: NameResolver {
    private let answers: [DNSQuestion: DNSOutcome]
    let asked = Mutex<[[DNSQuestion]]>([])

    init(_ answers: [DNSQuestion: DNSOutcome]) { self.answers = answers }

    func resolve(_ questions: [DNSQuestion]) async -> [DNSOutcome] {
        self.asked.withLock { $0.append(questions) }
        return questions.map { self.answers[$0] ?? .nameUnknown }
    }
}

private func addresses(_ texts: String..., ttlMs: Int? = 9_000) -> DNSOutcome {
    .records(texts.map { .address($0) }, ttlMs: ttlMs)
}

@Suite struct `Addresses of a name` {
    private func look(_ a: DNSOutcome, _ aaaa: DNSOutcome, _ family: AddressFamily = .all) async throws -> LookupAnswer
    {
        let resolver = FakeResolver([DNSQuestion("w.test", .a): a, DNSQuestion("w.test", .aaaa): aaaa])
        return try await AddressLookup(host: "w.test", port: 50051, family: family, resolver: resolver).look()
    }

    private func list(_ addresses: String...) -> [DiscoveredReplica] {
        addresses.map { DiscoveredReplica(address: $0) }
    }

    @Test func `are replicas on one port, of both families, for the shorter time`() async throws {
        let answer = try await self.look(addresses("10.0.0.1", "10.0.0.2"), addresses("2001:db8::1", ttlMs: 4_000))
        #expect(
            answer
                == .replicas(self.list("10.0.0.1:50051", "10.0.0.2:50051", "[2001:db8::1]:50051"), ttlMs: 4_000))
    }

    @Test(arguments: [(AddressFamily.ipv4, "10.0.0.1:50051"), (.ipv6, "[::1]:50051")])
    func `of one family are asked for alone`(family: AddressFamily, address: String) async throws {
        let answer = try await self.look(addresses("10.0.0.1"), addresses("::1"), family)
        #expect(answer == .replicas(self.list(address), ttlMs: 9_000))
    }

    @Test func `may be of one family only, without anything missing`() async throws {
        #expect(
            try await self.look(addresses("10.0.0.1"), .none)
                == .replicas(self.list("10.0.0.1:50051"), ttlMs: 9_000))
        #expect(
            try await self.look(addresses("10.0.0.1"), .nameUnknown)
                == .replicas(self.list("10.0.0.1:50051"), ttlMs: 9_000))
    }

    @Test func `may be none, which is an answer`() async throws {
        #expect(try await self.look(.none, .none) == .replicas([], ttlMs: nil))
    }

    @Test func `of a name that is not there are a failure`() async {
        await #expect(throws: DiscoveryFailure("w.test: there is no such name (NXDOMAIN)")) {
            try await self.look(.nameUnknown, .nameUnknown)
        }
    }

    @Test func `that nobody could tell are a failure, and a part when the other family was told`() async throws {
        await #expect(throws: DiscoveryFailure("w.test: no answer in time")) {
            try await self.look(.failed("no answer in time"), .none)
        }
        #expect(
            try await self.look(addresses("10.0.0.1"), .failed("SERVFAIL"))
                == .part(self.list("10.0.0.1:50051"), missing: DiscoveryFailure("w.test: SERVFAIL")))
    }
}

@Suite struct `Targets of a service` {
    private func look(
        _ services: [DNSService], _ targets: [DNSQuestion: DNSOutcome],
        lost: Set<String> = []
    ) async throws -> LookupAnswer {
        var answers = targets
        answers[DNSQuestion("_grpc._tcp.test", .srv)] =
            services.isEmpty ? DNSOutcome.none : .records(services.map { .service($0) }, ttlMs: 30_000)
        return try await ServiceLookup(
            service: "_grpc._tcp.test", family: .ipv4, resolver: FakeResolver(answers), lost: { lost }
        ).look()
    }

    private let targets = [
        DNSQuestion("w1.test", .a): addresses("10.0.0.1"), DNSQuestion("w2.test", .a): addresses("10.0.0.2"),
        DNSQuestion("w3.test", .a): addresses("10.0.0.3", "10.0.0.4"),
    ]

    private func service(_ target: String, _ port: Int, priority: Int = 0, weight: Int = 1) -> DNSService {
        DNSService(priority: priority, weight: weight, port: port, target: target)
    }

    @Test func `have their own ports and weights, and every address of a name`() async throws {
        let answer = try await self.look(
            [self.service("w1.test", 1, weight: 0), self.service("w3.test", 3, weight: 7)], self.targets)
        #expect(
            answer
                == .replicas(
                    [
                        DiscoveredReplica(address: "10.0.0.1:1", weight: 1),
                        DiscoveredReplica(address: "10.0.0.3:3", weight: 7),
                        DiscoveredReplica(address: "10.0.0.4:3", weight: 7),
                    ], ttlMs: 9_000))
    }

    @Test func `may share a name, which is asked for once`() async throws {
        let resolver = FakeResolver(
            self.targets.merging([
                DNSQuestion("s.test", .srv): .records(
                    (1...5).map { .service(self.service("w1.test", $0)) }, ttlMs: 1)
            ]) { $1 })
        let lookup = ServiceLookup(service: "s.test", family: .ipv4, resolver: resolver, lost: { [] })
        guard case .replicas(let list, ttlMs: 1) = try await lookup.look() else {
            Issue.record("no list")
            return
        }
        #expect(list.map(\.address) == (1...5).map { "10.0.0.1:\($0)" })
        #expect(resolver.asked.withLock { $0.last } == [DNSQuestion("w1.test", .a)])
    }

    @Test func `with weights beyond ours shrink alike`() async throws {
        let answer = try await self.look(
            [self.service("w1.test", 1, weight: 65_535), self.service("w2.test", 1, weight: 6_554)], self.targets)
        guard case .replicas(let list, _) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(list.map(\.weight) == [1_000, 100])
    }

    @Test(arguments: [
        ([], ["10.0.0.1:1"]), (["10.0.0.1:1"], ["10.0.0.1:1", "10.0.0.2:2"]),
        (["10.0.0.1:1", "10.0.0.2:2"], ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3", "10.0.0.4:3"]),
    ])
    func `are taken by priority up to one that is usable`(lost: [String], expected: [String]) async throws {
        let answer = try await self.look(
            [
                self.service("w3.test", 3, priority: 30), self.service("w1.test", 1, priority: 10),
                self.service("w2.test", 2, priority: 20),
            ], self.targets, lost: Set(lost))
        guard case .replicas(let list, _) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(list.map(\.address) == expected)
    }

    @Test func `that have no address are left out, and their reserve takes over`() async throws {
        let answer = try await self.look(
            [self.service("gone.test", 1, priority: 1), self.service("w2.test", 2, priority: 2)], self.targets)
        #expect(
            answer == .replicas([DiscoveredReplica(address: "10.0.0.2:2")], ttlMs: 0),
            "whether a reserve is needed is looked at as often as may be")
    }

    @Test func `that nobody could tell about make a part of an answer`() async throws {
        var targets = self.targets
        targets[DNSQuestion("w2.test", .a)] = .failed("SERVFAIL")
        let answer = try await self.look([self.service("w1.test", 1), self.service("w2.test", 2)], targets)
        #expect(
            answer
                == .part(
                    [DiscoveredReplica(address: "10.0.0.1:1")], missing: DiscoveryFailure("w2.test: SERVFAIL")))
    }

    @Test func `may be none: no record, a dot for a target, port 0`() async throws {
        #expect(try await self.look([], [:]) == .replicas([], ttlMs: nil))
        let none = try await self.look([self.service(".", 1), self.service("w1.test", 0)], self.targets)
        #expect(none == .replicas([], ttlMs: 30_000))
    }

    @Test func `of a service that is not there, or that nobody could tell, are a failure`() async {
        for (outcome, text) in [
            (DNSOutcome.nameUnknown, "s.test: there is no such name (NXDOMAIN)"),
            (.failed("no answer in time"), "s.test: no answer in time"),
        ] {
            let lookup = ServiceLookup(
                service: "s.test", family: .all, resolver: FakeResolver([DNSQuestion("s.test", .srv): outcome]),
                lost: { [] })
            await #expect(throws: DiscoveryFailure(text)) { try await lookup.look() }
        }
    }
}

@Suite struct `A file of replicas` {
    /// What stands in the file, and how often it was read.
    private final class Disk: Sendable {
        struct State {
            var stamp: Int?
            var list: Result<[DiscoveredReplica], DiscoveryFailure>
            var readings = 0
        }
        let state: Mutex<State>

        init(_ list: [DiscoveredReplica]) { self.state = Mutex(State(stamp: 1, list: .success(list))) }

        func lookup() -> FileLookup<Int> {
            FileLookup(
                path: "replicas.yaml", stamp: { self.state.withLock { $0.stamp } },
                read: { () throws(DiscoveryFailure) in
                    try self.state.withLock { state in
                        state.readings += 1
                        return state.list
                    }.get()
                })
        }
    }

    private let one = [DiscoveredReplica(address: "a:1")]
    private let two = [DiscoveredReplica(address: "a:1"), DiscoveredReplica(address: "b:1")]

    @Test func `is read twice after a change, and then not until the next one`() async throws {
        let disk = Disk(self.one)
        let lookup = disk.lookup()
        for _ in 0..<2 { #expect(try await lookup.look() == .replicas(self.one, ttlMs: nil)) }
        for _ in 0..<5 { #expect(try await lookup.look() == .unchanged) }
        disk.state.withLock { ($0.stamp, $0.list) = (2, .success(self.two)) }
        for _ in 0..<2 { #expect(try await lookup.look() == .replicas(self.two, ttlMs: nil)) }
        #expect(try await lookup.look() == .unchanged)
        #expect(disk.state.withLock { $0.readings } == 4)
    }

    @Test func `written twice under one stamp is not missed`() async throws {
        let disk = Disk(self.one)
        let lookup = disk.lookup()
        _ = try await lookup.look()
        disk.state.withLock { $0.list = .success(self.two) }
        #expect(try await lookup.look() == .replicas(self.two, ttlMs: nil))
    }

    @Test func `that is broken or gone says so once for each state`() async throws {
        let disk = Disk(self.one)
        let lookup = disk.lookup()
        _ = try await lookup.look()
        let broken = DiscoveryFailure("replicas.yaml:3: a port is missing")
        disk.state.withLock { ($0.stamp, $0.list) = (2, .failure(broken)) }
        for _ in 0..<2 { await #expect(throws: broken) { try await lookup.look() } }
        #expect(try await lookup.look() == .unchanged)
        let gone = DiscoveryFailure("there is no file")
        disk.state.withLock { ($0.stamp, $0.list) = (nil, .failure(gone)) }
        for _ in 0..<2 { await #expect(throws: gone) { try await lookup.look() } }
        #expect(try await lookup.look() == .unchanged)
        disk.state.withLock { ($0.stamp, $0.list) = (3, .success(self.two)) }
        #expect(try await lookup.look() == .replicas(self.two, ttlMs: nil))
    }
}
