import Testing

@testable import Discovery

/// What the C libraries do when nobody is there. With real servers: Tests/Peers/test_discovery.py.
@Suite struct `Without a server` {
    /// Port 1: nobody listens there.
    @Test(arguments: ["127.0.0.1:1", "[::1]:1"])
    func `no name server means that nobody could say, for every question`(nobody: String) async {
        let resolver = CaresResolver(nameservers: [nobody], timeoutMs: 2_000)
        let outcomes = await resolver.resolve([DNSQuestion("w.test.", .a), DNSQuestion("_x._tcp.w.test.", .srv)])
        for outcome in outcomes {
            guard case .failed(let why) = outcome, !why.contains("set up") else {
                Issue.record("\(outcome)")
                continue
            }
        }
        #expect(outcomes.count == 2)
    }

    @Test func `a name server that is no address cannot be asked`() async {
        let resolver = CaresResolver(nameservers: ["not an address"], timeoutMs: 100)
        #expect(
            await resolver.resolve([DNSQuestion("w.test.", .a)]) == [
                .failed("the resolver cannot be set up; are nameservers addresses?")
            ])
    }

    @Test func `the system's hosts file is read when no name server is named`() async {
        let outcomes = await CaresResolver(nameservers: [], timeoutMs: 2_000).resolve([DNSQuestion("localhost", .a)])
        #expect(outcomes == [.records([.address("127.0.0.1")], ttlMs: nil)])
    }

    @Test func `no database is a failure that names where it was looked for, and no password`() async {
        let lookup = LocalAILookup(
            database: "postgresql://homing@127.0.0.1:1/localai", models: ["m"], connectTimeoutMs: 2_000,
            queryTimeoutMs: 1_000, password: { "open sesame" })
        do throws(DiscoveryFailure) {
            let answer = try await lookup.look()
            Issue.record("\(answer)")
        } catch {
            #expect(error.description.contains("127.0.0.1"))
            #expect(!error.description.contains("sesame") && !error.description.contains("\n"))
        }
    }

    @Test func `a password that cannot be had is a failure`() async {
        let lookup = LocalAILookup(
            database: "postgresql://homing@127.0.0.1:1/localai", models: ["m"], connectTimeoutMs: 2_000,
            queryTimeoutMs: 1_000, password: { () throws(DiscoveryFailure) in throw DiscoveryFailure("no such file") })
        await #expect(throws: DiscoveryFailure("no such file")) { try await lookup.look() }
    }

    @Test func `an address of a database holds no password`() {
        for text in ["postgresql://h:5432/localai", "postgres:///localai?host=/run/pg", "host=h dbname=x user=u"] {
            #expect(LocalAILookup.problem(inDatabase: text) == nil, "\(text)")
        }
        for text in ["postgresql://u:secret@h/x", "host=h password=secret", "postgresql://h/x?sslpassword=secret"] {
            let problem = LocalAILookup.problem(inDatabase: text)
            #expect(problem?.contains("password_env") == true && problem?.contains("secret") == false, "\(text)")
        }
        for text in ["mysql://h/x", "h:5432", "host=h nonsense=secret"] {
            let problem = LocalAILookup.problem(inDatabase: text)
            #expect(problem?.contains("no address of a database") == true, "\(text)")
        }
    }

    @Test func `each host of a database has its own turn`() {
        func hosts(_ database: String) -> [String] {
            PostgresConnection.hosts(of: database).map { $0.map { "\($0)=\($1)" }.joined(separator: " ") }
        }
        #expect(hosts("postgresql://a:1,b:2/x") == ["host=a port=1", "host=b port=2"])
        #expect(hosts("host=a,b,c port=5 dbname=x") == ["host=a port=5", "host=b port=5", "host=c port=5"])
        #expect(hosts("hostaddr=10.0.0.1,10.0.0.2") == ["hostaddr=10.0.0.1", "hostaddr=10.0.0.2"])
        for single in ["postgresql://a:1/x", "dbname=x", "host=a,b hostaddr=10.0.0.1", "host=a,b port=1,2,3", "?"] {
            #expect(hosts(single) == [""], "\(single)")
        }
    }

    @Test func `names of models reach the database as they are`() {
        #expect(LocalAILookup.array([]) == "{}")
        #expect(LocalAILookup.array(["qwen3", #"a"b\c,{d}"#]) == #"{"qwen3","a\"b\\c,{d}"}"#)
    }
}
