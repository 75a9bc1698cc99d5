import Config
import Discovery
import Testing
import Transport
import Upstream

@testable import homing

/// Sources of replicas in the file.
struct DiscoverySettingsTests {
    private static var secrets: SecretSources {
        SecretSources(
            environment: { ["PGPASSWORD_HOMING": "open sesame"][$0] }, file: { _ in "open sesame\n" })
    }

    private static func findings(_ sources: String, models: String = "[m]") -> (ServeSettings, [String]) {
        let indented = sources.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }
        let text = """
            clusters:
            - name: c
              models: \(models)
              discovery:
            \(indented.joined(separator: "\n"))
            """
        var settings = ServeSettings()
        let findings = SettingsFile.read(Array(text.utf8), into: &settings, secrets: self.secrets)
        return (settings, findings.problems.map(\.description))
    }

    private static let all = """
        - type: dns
          address: workers.models.svc:50051
          family: ipv4
          nameservers: ["10.0.0.10:53", "[::1]:5353"]
          min_interval_ms: 1000
          max_interval_ms: 2000
          timeout_ms: 3000
          empty_after: 0
        - type: srv
          name: blue
          service: _grpc._tcp.workers.test
        - type: file
          path: /run/replicas.yaml
          look_interval_ms: 10
        - type: localai
          database: postgresql://homing@db:5432/localai
          password_env: PGPASSWORD_HOMING
          models: [qwen3, qwen3-fast]
          query_interval_ms: 7000
          connect_timeout_ms: 8000
          query_timeout_ms: 9000
        """

    @Test func `every key of every type is read`() throws {
        let (settings, problems) = Self.findings(Self.all)
        #expect(problems == [])
        let sources = try #require(settings.clusters.first).discovery
        #expect(sources.map(\.kind) == [.dns, .srv, .file, .localai])
        #expect(sources.map(\.label) == ["dns", "blue", "file", "localai"])
        #expect(sources[0].address == Endpoint(.host("workers.models.svc", port: 50051)))
        #expect(sources[0].nameservers.map(\.description) == ["10.0.0.10:53", "[::1]:5353"])
        #expect(
            sources.map(\.refresh) == [
                RefreshSettings(minIntervalMs: 1_000, maxIntervalMs: 2_000, emptyAfter: 0),
                RefreshSettings(minIntervalMs: 5_000, maxIntervalMs: 30_000, emptyAfter: 3),
                RefreshSettings(everyMs: 10, emptyAfter: 1), RefreshSettings(everyMs: 7_000, emptyAfter: 3),
            ])
        #expect(sources[3].password == .environment("PGPASSWORD_HOMING"))
        #expect((sources[3].connectTimeoutMs, sources[3].queryTimeoutMs) == (8_000, 9_000))
        #expect(sources[3].models == ["qwen3", "qwen3-fast"])
    }

    @Test func `the effective file says the same again, and no password`() throws {
        let (settings, _) = Self.findings(Self.all)
        let text = ConfigText.effective(settings)
        #expect(text.contains("password_env: PGPASSWORD_HOMING  # <set>") && !text.contains("sesame"))
        var again = ServeSettings()
        let findings = SettingsFile.read(Array(text.utf8), into: &again, secrets: Self.secrets)
        #expect(findings.problems == [] && again.clusters == settings.clusters)
    }

    @Test func `the reference shows the keys of all types`() {
        let reference = ConfigText.reference(of: ServeSettings.self)
        for key in [
            "service", "family", "nameservers", "look_interval_ms", "database", "query_timeout_ms", "empty_after",
        ] {
            #expect(reference.contains("#     #     \(key):"), "\(key)")
        }
    }

    @Test(arguments: [
        ("- name: x", #"discovery[0].type: is missing; expected one of dns, srv, file, localai"#),
        ("- type: dsn\n  address: w:1", #"did you mean "dns"?"#),
        ("- type: dns", "discovery[0]: has no address; set a name with a port"),
        ("- type: dns\n  address: 10.0.0.1:1", "address: is no name; put addresses under replicas"),
        ("- type: dns\n  address: unix:/run/w", "address: is no name; put addresses under replicas"),
        ("- type: dns\n  address: w:0", "address: a replica needs its port"),
        ("- type: dns\n  address: w:1\n  path: /x", #"discovery[0].path: unknown key"#),
        ("- type: dns\n  address: w:1\n  nameservers: ns:53", "expected an IP address with a port"),
        (
            "- type: dns\n  address: w:1\n  min_interval_ms: 60000",
            "discovery[0].max_interval_ms: is less than min_interval_ms"
        ),
        ("- type: dns\n  address: w:1\n- type: dns\n  address: v:1", #""dns" is what discovery[0] is called"#),
        ("- type: srv", "discovery[0]: has no service"), ("- type: file", "discovery[0]: has no path"),
        ("- type: file\n  path: /x\n  empty_after: 2", "discovery[0].empty_after: unknown key"),
        ("- type: localai", "discovery[0]: has no database"),
        ("- type: localai\n  database: mysql://h/x", "database: is no address of a database"),
        ("- type: localai\n  database: postgresql://u:p@h/x", "database: holds a password"),
        ("- type: localai\n  database: postgresql://h/x\n  password: p", "password: a secret does not stand in this"),
    ])
    func `what is wrong is said with its place`(sources: String, problem: String) {
        let (_, problems) = Self.findings(sources)
        #expect(problems.count == 1 && problems.first?.contains(problem) == true, "\(problems)")
    }

    @Test func `LocalAI's registry has to be asked for models`() {
        let source = "- type: localai\n  database: postgresql://h/x"
        let (_, problems) = Self.findings(source, models: "[]")
        #expect(problems.first?.contains("discovery[0].models: is empty, and so is the cluster's") == true)
        #expect(Self.findings(source).1 == [])
    }

    @Test func `a source is enough to serve`() {
        #expect(Self.findings("- type: file\n  path: /x").0.lack == nil)
        var none = ServeSettings()
        none.clusters = [ClusterSettings()]
        #expect(none.lack != nil)
    }
}
