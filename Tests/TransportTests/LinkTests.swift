import Foundation
import Glibc
import Synchronization
import Testing
import Transport

@Suite struct LinkTests {
    private static let anyPort = Endpoint(.host("127.0.0.1", port: 0))

    /// Runs `body` with loops of its own, and ends them.
    private static func withLoops(_ body: (LoopGroup) async throws -> Void) async throws {
        let group = LoopGroup(count: 2)
        do {
            try await body(group)
        } catch {
            await group.shutdown()
            throw error
        }
        await group.shutdown()
    }

    /// A listener whose links are made by `make`, which gets their records.
    private static func listen(
        _ group: LoopGroup, on endpoint: Endpoint = anyPort,
        _ make: @escaping @Sendable (LinkPeer.Record) -> LinkPeer
    ) async throws -> (Listener, LinkPeer.Record) {
        let record = LinkPeer.Record()
        let listener = try await Listener.bind(endpoint, on: group) { _ in make(record) }
        return (listener, record)
    }

    /// Connects a peer made by `make`.
    private static func connect(
        _ group: LoopGroup, to endpoint: Endpoint, timeoutMs: Int = 5_000,
        _ make: @escaping @Sendable (LinkPeer.Record) -> LinkPeer = { LinkPeer($0) }
    ) async -> (LoopBound<LinkPeer>, LinkPeer.Record) {
        let record = LinkPeer.Record()
        let loop = group.loops[0]
        let peer = await loop.run {
            let peer = make(record)
            let link = Link(on: loop, handler: peer)
            peer.own(link)
            Connector.connect(link, to: endpoint, timeoutMs: timeoutMs)
            return LoopBound(peer, on: loop)
        }
        return (peer, record)
    }

    private static func socketPath() -> Endpoint {
        Endpoint(
            .unix(FileManager.default.temporaryDirectory.appending(path: "h\(UInt32.random(in: 0...(.max)))").path()))
    }

    @Test(arguments: [false, true])
    func `bytes go both ways over TCP and over a UNIX socket`(isUnix: Bool) async throws {
        try await Self.withLoops { group in
            let endpoint = isUnix ? Self.socketPath() : Self.anyPort
            let (listener, server) = try await Self.listen(group, on: endpoint) { LinkPeer($0, echoes: true) }
            #expect(isUnix || (listener.endpoint.port ?? 0) > 0)
            let (peer, client) = await Self.connect(group, to: listener.endpoint)
            try await until("the link is open") { client.opened && server.opened }
            let text = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 1) }
            await peer.loop.run { peer.value.send(text) }
            try await until("everything came back") { client.received.count == text.count }
            #expect(client.received == text && server.received == text)
            await peer.loop.run { peer.value.link?.close() }
            try await until("both are closed") { !client.closures.isEmpty && !server.closures.isEmpty }
            #expect(client.closures == [.closedByUs] && server.closures == [.closedByPeer])
            await listener.close()
        }
    }

    @Test func `a peer that does not read is not written to without end`() async throws {
        try await Self.withLoops { group in
            let (silent, port) = try Self.silentListener()
            defer { close(silent) }
            let endpoint = Endpoint(.host("127.0.0.1", port: port))
            let size = 64 * 1024 * 1024
            let (peer, client) = await Self.connect(group, to: endpoint) { record in
                LinkPeer(record, output: [UInt8](repeating: 1, count: size))
            }
            try await until("the link is open and has been drained") { client.drained > 0 }
            // The kernel's buffers and one region are all that is taken: once that stands still, it stays.
            var before = -1
            try await until("it stands still") {
                defer { before = client.drained }
                try? await Task.sleep(for: .milliseconds(20))
                return client.drained == before
            }
            #expect(client.drained < size)
            await peer.loop.run { peer.value.link?.close() }
            try await until("it is closed") { client.closures == [.closedByUs] }
        }
    }

    @Test func `a link that closes after draining delivers everything first, however slow its peer`() async throws {
        try await Self.withLoops { group in
            let size = 20_000_000
            let (listener, server) = try await Self.listen(group) { record in
                LinkPeer(record, output: [UInt8](repeating: 5, count: size), closesWhenSent: true)
            }
            let (_, client) = await Self.connect(group, to: listener.endpoint)
            try await until("the client is closed") { !client.closures.isEmpty }
            #expect(client.received.count == size && client.closures == [.closedByPeer])
            try await until("the server is closed") { server.closures == [.closedByUs] }
            await listener.close()
        }
    }

    @Test func `a link told to close while earlier bytes still wait delivers them`() async throws {
        try await Self.withLoops { group in
            let (silent, port) = try Self.silentListener()
            defer { close(silent) }
            let (peer, client) = await Self.connect(group, to: Endpoint(.host("127.0.0.1", port: port))) { record in
                LinkPeer(record, output: [UInt8](repeating: 1, count: 64 * 1024 * 1024))
            }
            try await until("the link has been drained") { client.drained > 0 }
            var before = -1
            try await until("it stands still") {
                defer { before = client.drained }
                try? await Task.sleep(for: .milliseconds(20))
                return client.drained == before
            }
            // Nothing more to say, but what was said is not all in the kernel yet.
            await peer.loop.run {
                peer.value.forgetUnsent()
                peer.value.link?.closeAfterDrain()
            }
            let received = await Task.detached { Self.readToEnd(of: silent) }.value
            #expect(received == client.drained)
        }
    }

    @Test func `a connect to a port where nothing listens is refused`() async throws {
        try await Self.withLoops { group in
            let (listener, _) = try await Self.listen(group) { LinkPeer($0) }
            await listener.close()
            let (_, client) = await Self.connect(group, to: listener.endpoint)
            try await until("the connect failed") { !client.closures.isEmpty }
            #expect(client.closures == [.connectFailed(.refused)] && !client.opened)
            let (_, other) = await Self.connect(group, to: Self.socketPath())
            try await until("the other failed") { !other.closures.isEmpty }
            #expect(other.closures == [.connectFailed(.refused)])
        }
    }

    @Test func `a connect that nobody answers times out`() async throws {
        try await Self.withLoops { group in
            let (silent, port) = try Self.silentListener()
            defer { close(silent) }
            // The kernel answers for the first ones, until the queue of the socket that accepts none is full.
            var clients: [LinkPeer.Record] = []
            for _ in 0..<8 {
                clients.append(
                    await Self.connect(group, to: Endpoint(.host("127.0.0.1", port: port)), timeoutMs: 300).1)
            }
            let records = clients
            try await until("one of them fails") { records.contains { !$0.closures.isEmpty } }
            #expect(records.allSatisfy { $0.closures.isEmpty || $0.closures == [.connectFailed(.timedOut)] })
        }
    }

    @Test func `a link that is closed before it opens says so once`() async throws {
        try await Self.withLoops { group in
            let (listener, _) = try await Self.listen(group) { LinkPeer($0) }
            let record = LinkPeer.Record()
            let loop = group.loops[0]
            await loop.run {
                let peer = LinkPeer(record)
                let link = Link(on: loop, handler: peer)
                peer.own(link)
                Connector.connect(link, to: listener.endpoint, timeoutMs: 5_000)
                link.close()
            }
            try await until("it is closed") { !record.closures.isEmpty }
            #expect(record.closures == [.closedByUs] && !record.opened)
            await listener.close()
        }
    }

    @Test func `a handler may close its link while it is told of bytes`() async throws {
        try await Self.withLoops { group in
            let (listener, server) = try await Self.listen(group) { LinkPeer($0, closesOnReceive: true) }
            let (_, client) = await Self.connect(group, to: listener.endpoint) { LinkPeer($0, output: [1, 2, 3]) }
            try await until("both are closed") { !client.closures.isEmpty && !server.closures.isEmpty }
            #expect(server.closures == [.closedByUs] && server.received == [1, 2, 3])
            await listener.close()
        }
    }

    @Test func `a port that is in use is an error`() async throws {
        try await Self.withLoops { group in
            let (listener, _) = try await Self.listen(group) { LinkPeer($0) }
            await #expect(throws: (any Error).self) {
                _ = try await Self.listen(group, on: listener.endpoint) { LinkPeer($0) }
            }
            await listener.close()
            let (again, _) = try await Self.listen(group, on: listener.endpoint) { LinkPeer($0) }
            await again.close()
        }
    }

    @Test func `timers run in order on their loop, and cancelled ones do not`() async throws {
        try await Self.withLoops { group in
            let loop = group.loops[1]
            // A class that the closures share.
            final class Ran: Sendable { let order = Mutex<[Int]>([]) }
            let shared = Ran()
            loop.schedule(after: 3_000_000) { shared.order.withLock { $0.append(loop.isCurrent ? 3 : -3) } }
            loop.schedule(after: 1_000_000) { shared.order.withLock { $0.append(loop.isCurrent ? 1 : -1) } }
            let cancelled = loop.schedule(after: 2_000_000) { shared.order.withLock { $0.append(2) } }
            cancelled.cancel()
            cancelled.cancel()
            try await until("two timers ran") { shared.order.withLock { $0.count } >= 2 }
            #expect(shared.order.withLock { $0 } == [1, 3])
        }
    }

    /// Accepts one connection and counts what comes on it.
    private static func readToEnd(of listener: Int32) -> Int {
        let descriptor = unsafe accept(listener, nil, nil)
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var total = 0
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return total }
            total += count
        }
    }

    /// A listening socket that accepts nothing, with room for one connection.
    private static func silentListener() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(descriptor, pointer, length) == 0 && Glibc.listen(descriptor, 0) == 0
                    && getsockname(descriptor, pointer, &length) == 0
            }
        }
        try #require(descriptor >= 0 && bound, "a socket of the test's own")
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
}
