import Admin
import Config
import Testing

@testable import homing

/// The admin port's own part of the file, and that of the access log.
@Suite struct AdminSettingsTests {
    private static func read(_ text: String) -> (settings: ServeSettings, problems: [String]) {
        var settings = ServeSettings()
        let secrets = SecretSources(environment: { $0 == "TOKEN" ? "right" : nil }, file: { _ in "right\n" })
        let findings = SettingsFile.read(Array(text.utf8), into: &settings, secrets: secrets)
        return (settings, findings.problems.map { "\($0.path): \($0.text)" })
    }

    @Test(arguments: ["0.0.0.0:9901", "10.0.0.7:9901", "[::]:9901", "proxy.internal:9901"])
    func `an address that others reach needs a token`(address: String) {
        let open = Self.read("admin: {address: \"\(address)\"}")
        #expect(open.problems.count == 1 && open.problems[0].hasPrefix("admin.address: is not a loopback address"))
        let guarded = Self.read("admin: {address: \"\(address)\", auth: {tokens: [{token_env: TOKEN}]}}")
        #expect(guarded.problems == [] && guarded.settings.admin.auth.tokens.count == 1)
    }

    @Test(arguments: ["127.0.0.1:9901", "127.1.2.3:1", "[::1]:9901", "localhost:9901", "off"])
    func `loopback, or none, needs no token`(address: String) {
        #expect(Self.read("admin: {address: \"\(address)\"}").problems == [])
    }

    @Test func `a token is what a header can carry, and there is one`() {
        let empty = Self.read("admin: {auth: {tokens: [{}]}}")
        #expect(empty.problems == ["admin.auth.tokens[0]: has no token; set token_env or token_file"])
    }

    @Test func `the access log goes to stdout, or to a file`() {
        #expect(Self.read("access_log: {path: stdout}").settings.accessLog.path == nil)
        let file = Self.read("access_log: {path: /var/log/homing.log, sample_share: 0.25}")
        #expect(file.settings.accessLog.path == "/var/log/homing.log" && file.settings.accessLog.sampleShare == 0.25)
        #expect(Self.read("access_log: {sample_share: 1.5}").problems.count == 1)
        let empty = Self.read("access_log: {path: \"\"}")
        #expect(empty.problems.count == 1 && empty.problems[0].hasPrefix("access_log.path: expected a path, or stdout"))
    }

    @Test func `the settings in use have every key and no secret`() throws {
        let read = Self.read(
            "clusters: [{name: chat, auth: {token_env: TOKEN}, replicas: [a:1]}]\naccess_log: {sample_share: 0.5}")
        guard case .section(let settings) = SettingsSnapshot(read.settings).settings,
            case .list(let clusters)? = settings["clusters"], case .section(let chat)? = clusters.first,
            case .section(let log)? = settings["access_log"], case .section(let admin)? = settings["admin"]
        else {
            Issue.record("the settings are sections and lists")
            return
        }
        guard case .section(let auth)? = chat["auth"] else {
            Issue.record("auth is a section")
            return
        }
        #expect(auth["token"] == .text("<set>"))
        #expect(log["sample_share"] == .double(0.5) && log["path"] == .text("stdout") && log["enabled"] == .bool(true))
        #expect(admin["address"] == .text("127.0.0.1:9901") && settings["threads"] == .int(0))
        #expect(settings["default_cluster"] == .null)
    }
}
