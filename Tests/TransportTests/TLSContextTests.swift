import Testing

@testable import Transport

/// What is wrong with files is told with their names. Handshakes are tested with foreign peers, in Tests/Peers.
struct TLSContextTests {
    @Test func `a missing file is named`() {
        var server = TLSServerSettings()
        server.certificateFile = "/nowhere/certificate.pem"
        server.privateKeyFile = "/nowhere/key.pem"
        #expect(throws: TLSProblem(file: server.certificateFile, text: Self.noCertificate)) {
            try TLSContext(server: server)
        }
        var client = TLSClientSettings()
        client.caFile = "/nowhere/ca.pem"
        #expect(throws: TLSProblem(file: "/nowhere/ca.pem", text: Self.noCertificate)) {
            try TLSContext(client: client)
        }
    }

    @Test func `a client needs no files, and nothing about it changes by itself`() throws {
        let context = try TLSContext(client: TLSClientSettings())
        #expect(context.expiry == nil)
        #expect(context.reload() == .unchanged)
        #expect(context.reload(force: true) == .replaced)
    }

    @Test(
        arguments: [
            ("h:1", nil, "h"), ("127.0.0.1:1", nil, nil), ("[::1]:1", nil, nil), ("unix:/s", nil, nil),
            ("h:1", "other", "other"), ("127.0.0.1:1", "other", "other"), ("unix:/s", "other", "other"),
            ("h:1", "10.0.0.1", nil),
        ] as [(String, String?, String?)])
    func `a peer is asked for by the name that its certificate should hold`(
        address: String, configured: String?, asked: String?
    ) throws {
        var settings = TLSClientSettings()
        settings.serverName = configured
        #expect(TLSSide.client(settings).serverName(of: try Endpoint(parsing: address)) == asked)
    }

    @Test(
        arguments: [
            ("h:1", nil, .name("h")), ("h.:1", nil, .name("h")), ("127.0.0.1:1", nil, .address("127.0.0.1")),
            ("[fe80::1%eth0]:1", nil, .address("fe80::1")), ("unix:/s", nil, nil), ("unix:/s", "other", .name("other")),
            ("h:1", "10.0.0.1", .address("10.0.0.1")),
        ] as [(String, String?, TLSIdentity?)])
    func `a peer has to be who it is reached as, unless a name is configured`(
        address: String, configured: String?, identity: TLSIdentity?
    ) throws {
        var settings = TLSClientSettings()
        settings.serverName = configured
        #expect(TLSSide.client(settings).identity(of: try Endpoint(parsing: address)) == identity)
        settings.verify = .chain
        let asked = TLSSide.client(settings).serverName(of: try Endpoint(parsing: address))
        #expect(TLSSide.client(settings).identity(of: try Endpoint(parsing: address)) == .anybody(asked: asked))
    }

    @Test(arguments: [
        ("h:1", "h:1"), ("127.0.0.1:50", "127.0.0.1:50"), ("[::1]:50", "[::1]:50"), ("[fe80::1%eth0]:5", "[fe80::1]:5"),
        ("unix:/run/worker.sock", "localhost"), ("dns:///dns:1", "dns:1"),
    ])
    func `requests carry an authority that servers can read`(address: String, authority: String) throws {
        #expect(try Endpoint(parsing: address).authority == authority)
    }

    private static let noCertificate = "no certificate in PEM form can be read from it"
}
