import Glibc
import Testing

@testable import Transport

/// How one of several addresses of a name is reached, and what is told when none is.
@Suite struct ConnectRaceTests {
    /// Has a link race for `addresses`. Gives back the loop's side of it, and what the link's handler hears.
    private static func race(
        _ group: LoopGroup, to addresses: [SocketAddress], limitMs: UInt64 = 10_000
    ) async -> (LoopBound<LinkPeer>, LinkPeer.Record) {
        let record = LinkPeer.Record()
        let loop = group.loops[0]
        let peer = await loop.run {
            let peer = LinkPeer(record)
            let link = Link(on: loop, handler: peer)
            peer.own(link)
            let race = ConnectRace(
                link, to: Endpoint(.host("name", port: 1)), limitNs: limitMs * 1_000_000, tls: nil)
            link.begins(race)
            race.run(to: addresses, otherwise: EADDRNOTAVAIL)
            return LoopBound(peer, on: loop)
        }
        return (peer, record)
    }

    private static func withLoop(_ body: (LoopGroup) async throws -> Void) async throws {
        let group = LoopGroup(count: 1)
        do { try await body(group) } catch {
            await group.shutdown()
            throw error
        }
        await group.shutdown()
    }

    /// A listener, and its address.
    private static func listening(_ group: LoopGroup) async throws -> (Listener, SocketAddress, LinkPeer.Record) {
        let record = LinkPeer.Record()
        let listener = try await Listener.bind(Endpoint(.host("127.0.0.1", port: 0)), on: group) { _ in
            LinkPeer(record)
        }
        let address = try #require(SocketAddress.literal("127.0.0.1", port: listener.endpoint.port ?? 0))
        return (listener, address, record)
    }

    /// An address where nothing listens.
    private static func refusing(_ group: LoopGroup) async throws -> SocketAddress {
        let (listener, address, _) = try await self.listening(group)
        await listener.close()
        return address
    }

    /// A socket that accepts nothing and whose queue is full, so that connects get no answer.
    private final class SilentAddress {
        private var descriptors: [CInt] = []
        let address: SocketAddress

        init() throws {
            let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            self.descriptors.append(listener)
            let any = try #require(SocketAddress.literal("127.0.0.1", port: 0))
            _ = unsafe any.withPointer { unsafe bind(listener, $0, $1) }
            listen(listener, 0)
            self.address = try #require(SocketAddress(boundTo: listener))
            for _ in 0..<4 {
                let caller = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
                _ = unsafe self.address.withPointer { unsafe connect(caller, $0, $1) }
                self.descriptors.append(caller)
            }
        }

        deinit { for descriptor in self.descriptors { close(descriptor) } }
    }

    @Test func `an address that refuses is passed over at once, and the first one that answers counts`() async throws {
        try await Self.withLoop { group in
            let refusing = try await Self.refusing(group)
            let (first, firstAddress, firstRecord) = try await Self.listening(group)
            let (second, secondAddress, secondRecord) = try await Self.listening(group)
            let (peer, record) = await Self.race(group, to: [refusing, firstAddress, secondAddress])
            try await until("it is open") { record.opened && firstRecord.opened }
            await peer.loop.run { peer.value.send([1, 2, 3]) }
            try await until("the first one has it") { firstRecord.received == [1, 2, 3] }
            #expect(!secondRecord.opened && record.closures.isEmpty)
            await first.close()
            await second.close()
        }
    }

    @Test func `an address that does not answer holds nobody up`() async throws {
        try await Self.withLoop { group in
            let silent = try SilentAddress()
            let (listener, address, server) = try await Self.listening(group)
            let (peer, record) = await Self.race(group, to: [silent.address, address])
            try await until("the other one is reached") { record.opened && server.opened }
            await peer.loop.run { peer.value.link?.close() }
            try await until("it is closed") { record.closures == [.closedByUs] }
            await listener.close()
        }
    }

    @Test func `a race that nobody wins in time times out, and one that is given up says so`() async throws {
        try await Self.withLoop { group in
            let silent = try SilentAddress()
            let (_, late) = await Self.race(group, to: [silent.address], limitMs: 20)
            try await until("it times out") { late.closures == [.connectFailed(.timedOut)] }
            let (peer, given) = await Self.race(group, to: [silent.address, silent.address])
            await peer.loop.run { peer.value.link?.close() }
            try await until("it is closed") { given.closures == [.closedByUs] }
            #expect(!late.opened && !given.opened)
        }
    }

    @Test func `when every address refuses, or there is none, that is told once`() async throws {
        try await Self.withLoop { group in
            let refusing = try await Self.refusing(group)
            let (_, record) = await Self.race(group, to: [refusing, refusing])
            try await until("it has failed") { record.closures == [.connectFailed(.refused)] }
            let (_, nobody) = await Self.race(group, to: [])
            try await until("it has failed") { !nobody.closures.isEmpty }
            guard case .connectFailed(.unreachable) = nobody.closures[0] else {
                Issue.record("\(nobody.closures)")
                return
            }
        }
    }

    @Test func `a name is resolved, and one that nobody has is told`() async throws {
        try await Self.withLoop { group in
            let (listener, _, server) = try await Self.listening(group)
            let loop = group.loops[0]
            for (host, isKnown) in [("localhost", true), ("nobody-has-this-name.invalid", false)] {
                let record = LinkPeer.Record()
                let endpoint = Endpoint(.host(host, port: listener.endpoint.port ?? 0))
                await loop.run {
                    let peer = LinkPeer(record)
                    let link = Link(on: loop, handler: peer)
                    peer.own(link)
                    Connector.connect(link, to: endpoint, timeoutMs: 15_000)
                }
                try await until("\(host) is found or not") { record.opened || !record.closures.isEmpty }
                #expect(record.opened == isKnown)
            }
            try await until("the listener heard of one") { server.opened }
            await listener.close()
        }
    }

    @Test func `families take turns, each in its order`() throws {
        func address(_ text: String) throws -> SocketAddress { try #require(SocketAddress.literal(text, port: 1)) }
        let all = try ["::1", "::2", "::3", "127.0.0.1"].map(address)
        #expect(
            ConnectRace.alternating(all).map(\.name.text) == ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"])
        #expect(ConnectRace.alternating([]).isEmpty)
    }

    @Test func `of several failures the one that says most is told`() {
        #expect(ConnectFailure([ENETUNREACH, ECONNREFUSED]) == .refused)
        #expect(ConnectFailure([ENOENT]) == .refused)
        #expect(ConnectFailure([EHOSTUNREACH, ETIMEDOUT]) == .timedOut)
        #expect(ConnectFailure([EHOSTUNREACH]) == .unreachable(SystemError.text(EHOSTUNREACH)))
    }
}
