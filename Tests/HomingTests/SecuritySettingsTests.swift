import ArgumentParser
import Config
import Foundation
import Testing
import Transport
import Upstream
import Wire

@testable import homing

/// TLS and tokens in the file and in flags.
struct SecuritySettingsTests {
    private static let file = """
        listeners:
        - address: 127.0.0.1:50051
          tls:
            certificate_file: /c
            private_key_file: /k
            client_ca_file: /ca
            require_client_certificate: false
            minimum_version: 1.3
            handshake_timeout_ms: 11
            reload_interval_ms: 12
          auth:
            tokens:
            - token_env: NEW
            - token_file: /old
        - address: unix:/run/homing.sock
          unix_permissions: "0600"
        clusters:
        - name: chat
          replicas: [w:1]
          tls:
            ca_file: /upstream-ca
            certificate_file: /own
            private_key_file: /own-key
            server_name: worker.internal
            verify: chain
            minimum_version: "1.2"
            reload_interval_ms: 0
          auth:
            token_env: UPSTREAM
            pass_through: false
        """

    private static var secrets: SecretSources {
        SecretSources(
            environment: { ["NEW": "new-secret", "UPSTREAM": "upstream-secret", "BAD": "two words"][$0] },
            file: { path in
                guard path == "/old" else { throw UnreadableFile(path: path, reason: "not there") }
                return "old-secret\n"
            })
    }

    private static func findings(_ text: String) -> (ServeSettings, [String]) {
        var settings = ServeSettings()
        let findings = SettingsFile.read(Array(text.utf8), into: &settings, secrets: Self.secrets)
        return (settings, findings.problems.map(\.description))
    }

    @Test func `every key is read`() {
        let (settings, problems) = Self.findings(Self.file)
        #expect(problems.isEmpty, "\(problems)")
        let tls = settings.listeners[0].tls
        #expect(tls?.certificateFile == "/c" && tls?.privateKeyFile == "/k" && tls?.clientCAFile == "/ca")
        #expect(tls?.requireClientCertificate == false && tls?.minimumVersion == .v13)
        #expect(tls?.handshakeTimeoutMs == 11 && tls?.reloadIntervalMs == 12)
        #expect(settings.listeners[0].auth.tokens.map { $0.token?.reveal() } == ["new-secret", "old-secret"])
        #expect(settings.listeners[1].tls == nil && settings.listeners[1].auth.tokens.isEmpty)
        #expect(settings.listeners.map(\.unixPermissions) == [0o660, 0o600])
        let cluster = settings.clusters[0]
        #expect(cluster.tls?.caFile == "/upstream-ca" && cluster.tls?.serverName == "worker.internal")
        #expect(cluster.tls?.certificateFile == "/own" && cluster.tls?.privateKeyFile == "/own-key")
        #expect(cluster.tls?.verify == .chain && cluster.tls?.minimumVersion == .v12)
        #expect(cluster.tls?.reloadIntervalMs == 0)
        #expect(cluster.auth.token?.reveal() == "upstream-secret" && !cluster.auth.passThrough)
    }

    @Test func `the effective file means the same and tells no secret`() {
        let (settings, _) = Self.findings(Self.file)
        let text = ConfigText.effective(settings)
        for secret in ["new-secret", "old-secret", "upstream-secret"] { #expect(!text.contains(secret)) }
        let (again, problems) = Self.findings(text)
        #expect(problems.isEmpty, "\(problems)")
        #expect(again == settings)
    }

    @Test(
        arguments: [
            (
                "listeners: [{ address: h:1, tls: { certificate_file: /c } }]",
                "line 1: listeners[0].tls.private_key_file: is missing; expected text that is not empty"
            ),
            (
                """
                listeners: [{ address: h:1, tls: { certificate_file: /c, private_key_file: /k, \
                require_client_certificate: true } }]
                """,
                "line 1: listeners[0].tls.require_client_certificate: needs client_ca_file, which says whose to take"
            ),
            (
                "listeners: [{ address: h:1, auth: { tokens: [{}] } }]",
                "line 1: listeners[0].auth.tokens[0]: has no token; set token_env or token_file"
            ),
            (
                "listeners: [{ address: h:1, auth: { tokens: [{ token_env: BAD }] } }]",
                """
                line 1: listeners[0].auth.tokens[0].token: a token has visible ASCII characters only, and no spaces
                """
            ),
            (
                "clusters: [{ name: a, replicas: [w:1], tls: { certificate_file: /c } }]",
                "line 1: clusters[0].tls: certificate_file and private_key_file need each other"
            ),
            (
                "clusters: [{ name: a, replicas: ['unix:/w'], tls: {} }]",
                "line 1: clusters[0].tls: replicas on UNIX sockets have no name to check; set server_name"
            ),
            (
                "clusters: [{ name: a, replicas: [w:1], auth: { token: open-secret } }]",
                """
                line 1: clusters[0].auth.token: a secret does not stand in this file; set token_env to an environment \
                variable or token_file to a path
                """
            ),
            (
                "listeners: [{ address: 'unix:/s', unix_permissions: rw }]",
                #"line 1: listeners[0].unix_permissions: expected permissions in octal, such as "0660", found "rw""#
            ),
            (
                "listeners: [{ address: 'unix:/s', unix_permissions: '1777' }]",
                """
                line 1: listeners[0].unix_permissions: expected permissions in octal, such as "0660", found the text \
                "1777"
                """
            ),
        ] as [(String, String)])
    func `what cannot be meant is told`(text: String, problem: String) {
        let (_, problems) = Self.findings(text)
        #expect(problems == [problem])
        #expect(!problems.joined().contains("open-secret") && !problems.joined().contains("two words"))
    }

    @Test func `a listen flag moves listeners and takes no protection away`() throws {
        let tls = "tls: { certificate_file: /c, private_key_file: /k }"
        let one = try TemporaryConfiguration(
            "listeners: [{ address: h:1, \(tls), cluster: a }, { address: h:2, \(tls) }]\n"
                + "clusters: [{ name: a, replicas: [w:1] }]")
        let moved = try ServeOptions.parse(["-c", one.path, "--listen", "h:3", "--listen", "h:4"]).settings()
        #expect(moved.listeners.map(\.address.description) == ["h:3", "h:4"])
        #expect(moved.listeners.allSatisfy { $0.tls?.certificateFile == "/c" && $0.cluster == nil })
        let two = try TemporaryConfiguration(
            "listeners: [{ address: h:1, \(tls) }, h:2]\nclusters: [{ name: a, replicas: [w:1] }]")
        #expect(throws: ConfigProblems.self) {
            try ServeOptions.parse(["-c", two.path, "--listen", "h:3"]).settings()
        }
    }

    @Test func `flags make every listener one with TLS, and need each other`() throws {
        let arguments = ["--replica", "w:1", "--listen", "h:1", "--listen", "h:2", "--tls-certificate", "/c"]
        let settings = try ServeOptions.parse(arguments + ["--tls-key", "/k"]).settings()
        #expect(settings.listeners.count == 2)
        for listener in settings.listeners {
            #expect(listener.tls?.certificateFile == "/c" && listener.tls?.privateKeyFile == "/k")
        }
        #expect(throws: (any Error).self) { try ServeOptions.parse(arguments) }
    }

    @Test func `the flags of a small client mean TLS and a token`() throws {
        #expect(try IdentityFlags.parse([]).tlsSettings == nil)
        #expect(try IdentityFlags.parse(["--tls"]).tlsSettings == TLSClientSettings())
        let flags = try IdentityFlags.parse(["--tls-ca", "/ca", "--tls-server-name", "n", "--token-env", "NEW"])
        #expect(flags.tlsSettings?.caFile == "/ca" && flags.tlsSettings?.serverName == "n")
        #expect(try flags.token(Self.secrets)?.reveal() == "new-secret")
        #expect(try IdentityFlags.parse([]).token(Self.secrets) == nil)
        for wrong in [["--token-env", "NONE"], ["--token-env", "BAD"], ["--token-file", "/none"]] {
            let flags = try IdentityFlags.parse(wrong)
            #expect(throws: ValidationError.self) { try flags.token(Self.secrets) }
        }
        for wrong in [["--tls-key", "/k"], ["--token-env", "A", "--token-file", "/b"]] {
            #expect(throws: (any Error).self) { try IdentityFlags.parse(wrong) }
        }
    }
}

/// A file that is gone when its value is.
private final class TemporaryConfiguration {
    let path: String

    init(_ text: String) throws {
        self.path = FileManager.default.temporaryDirectory.appendingPathComponent("homing-\(UUID()).yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: self.path))
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }
}
