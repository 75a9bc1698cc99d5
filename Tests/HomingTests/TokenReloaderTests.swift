import Config
import Logging
import Synchronization
import Telemetry
import Testing
import Transport
import Upstream
import Wire

@testable import homing

/// New tokens while the process runs.
struct TokenReloaderTests {
    /// Files whose text a test changes.
    private final class Files: Sendable {
        let text: Mutex<[String: String]>
        init(_ text: [String: String]) { self.text = Mutex(text) }

        var sources: SecretSources {
            SecretSources(
                environment: { _ in nil },
                file: { path in
                    guard let text = self.text.withLock({ $0[path] }) else {
                        throw UnreadableFile(path: path, reason: "not there")
                    }
                    return text
                })
        }
    }

    private static func counts(_ registry: MetricRegistry) -> [String] {
        registry.exposition().split(separator: "\n").filter { $0.hasPrefix("homing_token_reloads_total{") }
            .map { String($0.dropFirst("homing_token_reloads_total".count)) }.sorted()
    }

    /// Settings with these tokens of one listener and one cluster.
    private static func settings(_ listener: [BearerToken], _ cluster: BearerToken?) -> ServeSettings {
        var settings = ServeSettings()
        settings.listeners[0].auth.tokens = listener.map { AcceptedToken(token: $0) }
        var section = ClusterSettings()
        section.auth.token = cluster
        settings.clusters = [section]
        return settings
    }

    private static func line(_ owner: String, _ outcome: String, _ count: Int) -> String {
        "{outcome=\"\(outcome)\",owner=\"\(owner)\"} \(count)"
    }

    @Test func `an owner gets all tokens of new settings, and who has none lets everybody in`() {
        let old = [BearerToken("fixed", from: .environment("A")), BearerToken("one", from: .file("/a"))]
        let before = Self.settings(old, BearerToken("three", from: .file("/c")))
        let (listener, cluster, admin) = (BearerTokens(old), BearerTokens([]), BearerTokens([]))
        cluster.replace(with: [BearerToken("three", from: .file("/c"))])
        let registry = MetricRegistry()
        let tokens = TokenReloader(
            before, listeners: [listener], clusters: [cluster], admin: admin, registry: registry,
            log: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        tokens.take(before)
        let owner = "listener \(ServeSettings.defaultListener)"
        #expect(
            Self.counts(registry)
                == [
                    Self.line("cluster ", "failed", 0), Self.line(owner, "failed", 0),
                    Self.line("cluster ", "replaced", 0), Self.line(owner, "replaced", 0),
                ].sorted())
        var after = Self.settings([BearerToken("new", from: .file("/a"))], nil)
        after.admin.auth.tokens = [AcceptedToken(token: BearerToken("root", from: .file("/r")))]
        tokens.take(after)
        #expect(listener.current.map { $0.reveal() } == ["new"] && cluster.isEmpty && !admin.isEmpty)
        #expect(Self.counts(registry).contains(Self.line("admin", "replaced", 1)))
        tokens.take(Self.settings([], nil))
        #expect(listener.isEmpty && admin.isEmpty)
    }

    @Test func `whose files are of no use is told, and nothing changes`() {
        let files = Files(["/a": "one\n", "/b": "two\n", "/c": "three"])
        let mixed = BearerTokens([
            BearerToken("fixed", from: .environment("A")), BearerToken("one", from: .file("/a")),
            BearerToken("two", from: .file("/b")),
        ])
        let single = BearerTokens([BearerToken("three", from: .file("/c"))])
        let registry = MetricRegistry()
        let reloader = TokenReloader(
            [
                .init(name: "listener x", tokens: mixed) { _ in [] },
                .init(name: "cluster y", tokens: single) { _ in [] },
                .init(name: "listener z", tokens: BearerTokens([BearerToken("e", from: .environment("E"))])) { _ in []
                },
            ],
            registry: registry, log: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            secrets: { files.sources })
        reloader.check()
        let owners = ["cluster y", "listener x"]
        #expect(
            Self.counts(registry)
                == owners.map { Self.line($0, "failed", 0) } + owners.map { Self.line($0, "replaced", 0) })
        for broken in [nil, "", "\n", "two words", "caf\u{e9}"] {
            files.text.withLock { $0["/b"] = broken }
            reloader.check()
        }
        #expect(Self.counts(registry).contains(Self.line("listener x", "failed", 5)))
        #expect(Self.counts(registry).contains(Self.line("cluster y", "failed", 0)))
        #expect(mixed.current.map { $0.reveal() } == ["fixed", "one", "two"])
    }
}
