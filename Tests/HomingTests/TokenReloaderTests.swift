import Config
import Logging
import Synchronization
import Telemetry
import Testing
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

    @Test func `files are read again, all of an owner or none`() {
        let files = Files(["/a": "one\n", "/b": "two\n", "/c": "three"])
        let mixed = BearerTokens([
            BearerToken("fixed", from: .environment("A")), BearerToken("one", from: .file("/a")),
            BearerToken("two", from: .file("/b")),
        ])
        let single = BearerTokens([BearerToken("three", from: .file("/c"))])
        let registry = MetricRegistry()
        let reloader = TokenReloader(
            [
                .init(name: "listener x", tokens: mixed), .init(name: "cluster y", tokens: single),
                .init(name: "listener z", tokens: BearerTokens([BearerToken("e", from: .environment("E"))])),
            ],
            registry: registry, log: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            secrets: { files.sources })
        func tokens(_ held: BearerTokens) -> [String] { held.current.map { $0.reveal() } }
        let owners = ["cluster y", "listener x"]
        func line(_ owner: String, _ outcome: String, _ count: Int) -> String {
            "{outcome=\"\(outcome)\",owner=\"\(owner)\"} \(count)"
        }

        reloader.reloadNow()
        #expect(tokens(mixed) == ["fixed", "one", "two"] && tokens(single) == ["three"])
        #expect(Self.counts(registry) == owners.map { line($0, "failed", 0) } + owners.map { line($0, "replaced", 0) })

        files.text.withLock { $0 = ["/a": "new-one\nmore", "/b": "two", "/c": "new-three"] }
        reloader.reloadNow()
        #expect(tokens(mixed) == ["fixed", "new-one", "two"] && tokens(single) == ["new-three"])
        #expect(Self.counts(registry) == owners.map { line($0, "failed", 0) } + owners.map { line($0, "replaced", 1) })

        for broken in [nil, "", "\n", "two words", "caf\u{e9}"] {
            files.text.withLock { $0 = ["/a": "newer-one", "/c": "new-three"] }
            files.text.withLock { $0["/b"] = broken }
            reloader.reloadNow()
            #expect(tokens(mixed) == ["fixed", "new-one", "two"], "\(broken ?? "no file")")
        }
        #expect(Self.counts(registry).contains(line("listener x", "failed", 5)))
        #expect(Self.counts(registry).contains(line("cluster y", "failed", 0)))

        files.text.withLock { $0["/b"] = "newer-two" }
        reloader.reloadNow()
        #expect(tokens(mixed) == ["fixed", "newer-one", "newer-two"])
    }
}
