import Config
import Foundation
import Testing
import Transport
import Upstream
import Wire

@testable import homing

/// The file that `homing init` writes.
struct StarterFileTests {
    private func settings(_ text: String) throws -> ServeSettings {
        var settings = ServeSettings()
        let secrets = SecretSources(environment: { _ in "secret" }, file: { _ in "secret" })
        let findings = SettingsFile.read(Array(text.utf8), into: &settings, secrets: secrets)
        #expect(findings.problems.map(\.description) == [])
        return settings
    }

    @Test func `it serves two workers with the defaults`() throws {
        var expected = ServeSettings()
        var cluster = ClusterSettings()
        cluster.name = "chat"
        cluster.replicas = [50_052, 50_053].map { ReplicaSettings(address: .init(.host("127.0.0.1", port: $0))) }
        expected.clusters = [cluster]
        #expect(try self.settings(StarterFile.text) == expected)
        #expect(expected.lack == nil)
    }

    @Test func `what it has as comments are keys with their defaults`() throws {
        var uncommented = 0
        let text = StarterFile.text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let rest = line.drop { $0 == " " }
            let setting = rest.dropFirst().drop { $0 == " " }
            let key = setting.prefix { $0.isLowercase || $0 == "_" }
            // Words of a sentence begin with a capital, or have a blank behind them.
            guard rest.first == "#", !key.isEmpty, setting.dropFirst(key.count).first == ":" else {
                return String(line)
            }
            uncommented += 1
            return line.prefix(line.count - rest.count) + String(rest.dropFirst())
        }.joined(separator: "\n")
        #expect(uncommented >= 14)
        var settings = try self.settings(text)
        #expect(settings.clusters[0].auth.token != nil)
        settings.clusters[0].auth.token = nil
        #expect(settings == (try self.settings(StarterFile.text)))
    }
}
