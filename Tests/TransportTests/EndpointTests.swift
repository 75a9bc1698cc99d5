import Testing

@testable import Transport

struct EndpointTests {
    @Test(arguments: [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("localhost:1", "localhost", 1),
        ("Worker-1.Example.COM:65535", "worker-1.example.com", 65535),
        ("worker_1:80", "worker_1", 80),
        ("[::1]:50051", "::1", 50051),
        ("[::]:50051", "::", 50051),
        ("[2001:DB8:0:0:0:0:0:1]:1", "2001:db8:0:0:0:0:0:1", 1),
        ("[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1),
        ("[FE80::1%Eth0]:1", "fe80::1%Eth0", 1),
        ("dns:///worker:50052", "worker", 50052),
        ("dns:worker:50052", "worker", 50052),
        ("dns:///[::1]:50052", "::1", 50052),
        ("1.example:7", "1.example", 7),
    ])
    func `a host with a port is read`(text: String, host: String, port: Int) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.kind == .host(host, port: port))
        #expect(endpoint.port == port)
    }

    @Test(arguments: [
        ("unix:/run/homing.sock", "/run/homing.sock"), ("unix:///run/homing.sock", "/run/homing.sock"),
        ("unix:/run/my worker", "/run/my worker"), ("unix:////run/homing.sock", "/run/homing.sock"),
    ])
    func `a UNIX socket is read`(text: String, path: String) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.kind == .unix(path))
        #expect(endpoint.port == nil)
        #expect(endpoint.description == "unix:\(path)")
    }

    @Test(arguments: ["127.0.0.1:50051", "[::1]:50051", "unix:/run/homing.sock", "worker.example:0", "dns:///dns:1"])
    func `the description is read back as the same endpoint`(text: String) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.description == text)
        #expect(try Endpoint(parsing: endpoint.description) == endpoint)
    }

    @Test(arguments: [
        ("", EndpointProblem.empty),
        ("127.0.0.1", .noPort("127.0.0.1")),
        ("[::1]", .noPort("[::1]")),
        ("127.0.0.1:", .badPort("")),
        ("127.0.0.1:65536", .badPort("65536")),
        ("127.0.0.1:-1", .badPort("-1")),
        ("127.0.0.1:+1", .badPort("+1")),
        ("127.0.0.1:http", .badPort("http")),
        ("127.0.0.1:100000000000000000000", .badPort("100000000000000000000")),
        (":50051", .noHost),
        ("256.0.0.1:1", .badHost("256.0.0.1")),
        ("10.0.1:1", .badHost("10.0.1")),
        ("010.0.0.1:1", .badHost("010.0.0.1")),
        ("-worker:1", .badHost("-worker")),
        ("a..b:1", .badHost("a..b")),
        ("a/b:1", .badHost("a/b")),
        ("::1:50051", .v6WithoutBrackets),
        ("2001:db8::1", .v6WithoutBrackets),
        ("a:b:1", .severalColons("a:b:1")),
        ("[::1:50051", .unclosedBracket),
        ("[127.0.0.1]:1", .badV6("127.0.0.1")),
        ("[1:2:3:4:5:6:7:8:9]:1", .badV6("1:2:3:4:5:6:7:8:9")),
        ("[1:2:3:4:5:6:7::8]:1", .badV6("1:2:3:4:5:6:7::8")),
        ("[1:2:3:4:5:6:7::]:1", nil),
        ("[1:2:3:4:5:6:7:8::]:1", .badV6("1:2:3:4:5:6:7:8::")),
        ("[::1::]:1", .badV6("::1::")),
        ("[:::]:1", .badV6(":::")),
        ("[::1%]:1", .badV6("::1%")),
        ("[12345::]:1", .badV6("12345::")),
        ("http://worker:1", .unknownScheme("http")),
        ("dns://8.8.8.8/worker:1", .resolverNamed),
        ("unix:run/homing.sock", .relativePath),
        ("unix://run/homing.sock", .relativePath),
        ("unix:", .relativePath),
        ("unix:/", .relativePath),
        ("unix:/a\u{0}b", .strangeCharacter),
        ("unix:/" + String(repeating: "a", count: 107), .longPath),
        ("unix:/" + String(repeating: "a", count: 106), nil),
        (" 127.0.0.1:1", .strangeCharacter),
        ("wörker:1", .strangeCharacter),
        (String(repeating: "a", count: 64) + ":1", .badHost(String(repeating: "a", count: 64))),
    ])
    func `anything else is a problem of its kind`(text: String, expected: EndpointProblem?) {
        var problem: EndpointProblem?
        do throws(EndpointProblem) {
            _ = try Endpoint(parsing: text)
        } catch {
            problem = error
        }
        #expect(problem == expected)
    }

    @Test func `a problem's text is one bounded line`() {
        let long = String(repeating: "x", count: 10_000)
        for problem: EndpointProblem in [.badHost(long), .badPort(long), .unknownScheme(long), .noPort(long)] {
            #expect(problem.description.count < 200)
        }
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max)])
    func `a text made of address pieces never traps, and what is read is written the same`(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        let pieces = [
            "[", "]", ":", "::", ".", "%", "/", "//", "1", "255", "65535", "0", "a", "fe80", "unix:", "dns:", "-",
            "\u{0}", "é", "worker:1", "[::1]:1", "unix:/run",
        ]
        var read = 0
        for _ in 0..<20_000 {
            let length = Int.random(in: 0...9, using: &random)
            let text = (0..<length).map { _ in pieces.randomElement(using: &random)! }.joined()
            guard let endpoint = try? Endpoint(parsing: text) else { continue }
            #expect(try Endpoint(parsing: endpoint.description) == endpoint, "seed \(seed)")
            read += 1
        }
        #expect(read > 100, "seed \(seed): too few texts were addresses for the test to mean anything")
    }
}

/// A small random number generator that gives the same numbers for the same seed.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
