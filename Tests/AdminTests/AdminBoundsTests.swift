import Admin
import Logging
import NIOCore
import ServiceLifecycle
import Telemetry
import Testing

/// What callers may not do, and how the port opens and closes.
@Suite struct AdminBoundsTests {
    @Test(arguments: [
        ("Content-Length: 4097", 413), ("Transfer-Encoding: chunked", 413),
        ("Content-Length: 99999999999999999999", 400),
    ])
    func `a request with a body to speak of is refused and its connection closed`(
        header: String, status: Int
    ) async throws {
        try await AdminHouse.open { house in
            // Neither Connection: close nor a body: the server must end it, and must not wait for what was announced.
            let answer = try await house.send("POST /live HTTP/1.1\r\nHost: \(house.address)\r\n\(header)\r\n\r\n")
            #expect(answer.status == status)
            #expect(try await house.ask("/live").status == 200)
        }
    }

    @Test(arguments: [
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /live\r\n\r\n",
        "GET /live HTTP/1.1\r\nBad Header: x\r\n\r\n",
        "GET /live HTTP/1.1\r\nX: " + String(repeating: "x", count: 100_000) + "\r\n\r\n",
    ])
    func `bytes that are no request are answered with an error or a close, and others go on`(bytes: String) async throws
    {
        try await AdminHouse.open { house in
            let channel = try await house.connect()
            let received = try await channel.executeThenClose { inbound, outbound in
                try? await outbound.write(ByteBuffer(string: bytes))
                outbound.finish()
                var received = ByteBuffer()
                do {
                    for try await part in inbound { received.writeImmutableBuffer(part) }
                } catch is IOError {
                    // A reset is a close too.
                }
                return String(buffer: received)
            }
            #expect(received.isEmpty || received.hasPrefix("HTTP/1.1 400"))
            #expect(try await house.ask("/live").status == 200)
        }
    }

    @Test(arguments: [
        ("localhost", 200), ("LOCALHOST:9901", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("192.168.1.4:1", 200),
        ("proxy.internal", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("[::1].evil.example", 421), ("256.1.1.1", 421), ("localhost:x", 421), ("[evil]", 421), ("1.2.3", 421),
        ("", 421),
    ])
    func `a loopback port answers only to addresses and its own names`(host: String, status: Int) async throws {
        var settings = AdminSettings.onAnyPort
        settings.hostNames = ["Proxy.internal"]
        try await AdminHouse.open(settings) { house in
            let answer = try await house.ask("/api/replicas", headers: ["Host: \(host)"])
            #expect(answer.status == status)
            if status == 421 { #expect(answer.body == "{\"error\":\"host_not_served_here\"}\n") }
        }
    }

    @Test func `a port beyond loopback answers to every name`() async throws {
        var settings = AdminSettings.onAnyPort
        settings.address.host = "0.0.0.0"
        try await AdminHouse.open(settings) { house in
            let answer = try await house.ask("/live", headers: ["Host: proxy.example"])
            #expect(answer.status == 200)
        }
    }

    @Test func `shutting down closes idle connections`() async throws {
        try await AdminHouse.open { house in
            let channel = try await house.connect()
            let all = try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(string: "GET /live HTTP/1.1\r\nHost: \(house.address)\r\n\r\n"))
                var received = ByteBuffer()
                for try await part in inbound {
                    received.writeImmutableBuffer(part)
                    if String(buffer: received).hasSuffix("live") { await house.services.triggerGracefulShutdown() }
                }
                return String(buffer: received)
            }
            #expect(all.hasPrefix("HTTP/1.1 200 OK\r\n") && all.hasSuffix("live"))
        }
    }

    @Test func `a port that is taken fails with its address`() async throws {
        try await AdminHouse.open { house in
            var settings = AdminSettings()
            settings.address = house.address
            let log = Logger(label: "admin-tests") { _ in SwiftLogNoOpLogHandler() }
            let second = AdminServer(settings, source: FakeSource(), metrics: MetricRegistry(), log: log)
            let failure = try #require(await #expect(throws: AdminServer.ListenFailure.self) { try await second.run() })
            #expect(failure.address == house.address)
            #expect(
                failure.description.hasPrefix("cannot listen on 127.0.0.1:\(house.address.port) for the admin port: "))
        }
    }

    @Test(arguments: [
        ("127.0.0.1:9901", AdminAddress(host: "127.0.0.1", port: 9901)),
        ("[::1]:0", AdminAddress(host: "::1", port: 0)),
        ("localhost:65535", AdminAddress(host: "localhost", port: 65_535)), ("::1:80", nil), (":80", nil), ("a:", nil),
        ("a:65536", nil), ("a", nil), ("", nil), ("a:-1", nil), ("[]:1", nil), ("http://a:1", nil), ("a b:1", nil),
    ])
    func `an address is a host and a port`(text: String, address: AdminAddress?) {
        #expect(AdminAddress(text) == address)
        if let address { #expect(address.description == text) }
    }
}
