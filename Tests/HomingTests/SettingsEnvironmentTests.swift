import ArgumentParser
import Config
import Logging
import Proxy
import Routing
import Testing
import Transport
import Upstream

@testable import homing

/// What `HOMING_…` variables do to the settings of `homing serve`.
struct SettingsEnvironmentTests {
    private let file = """
        listeners: [127.0.0.1:1]
        log_level: error
        proxy: { drain_timeout_ms: 1 }
        clusters:
        - { name: chat, models: [m], replicas: [h:1, h:2] }
        - { name: code, models: [c], replicas: [h:3], auth: { token_env: HOMING_PROXY_SECRET } }
        """

    private func settings(
        _ environment: [String: String], _ arguments: String..., text: String? = nil
    ) throws -> ServeSettings {
        let file = try TemporaryFile(text ?? self.file)
        let options = try ServeOptions.parse(["-c", file.path] + arguments)
        return try options.settings(environment: SettingsEnvironment(environment))
    }

    private func problems(_ environment: [String: String]) -> [String] {
        do {
            let text = "clusters: [{ name: a, replicas: [h:1] }]"
            _ = try self.settings(environment, text: text)
            return []
        } catch {
            return (error as? ConfigProblems)?.description.split(separator: "\n").map(String.init) ?? ["\(error)"]
        }
    }

    @Test func `the file, then variables, then flags`() throws {
        let plain = "listeners: [127.0.0.1:1]\nlog_level: error\nclusters: [{ name: chat, replicas: [h:1] }]"
        let variables = [
            "HOMING_LOG_LEVEL": "debug", "HOMING_THREADS": "3", "HOMING_PROXY_DRAIN_TIMEOUT_MS": "5",
            "HOMING_CLUSTERS_0_ROUTING_POLICY": "round_robin", "HOMING_ADMIN_ADDRESS": "127.0.0.1:2",
        ]
        let settings = try self.settings(variables, "--threads", "1", text: plain)
        #expect(settings.logLevel == .debug && settings.threads == 1 && settings.proxy.drainTimeoutMs == 5)
        #expect(settings.clusters[0].routing.policy == .roundRobin)
        #expect(settings.admin.address?.description == "127.0.0.1:2")
        #expect(
            try self.settings(variables, "--policy", "prefix_cache", text: plain).clusters[0].routing.policy
                == .prefixCache)
    }

    @Test func `flags have variables too, and need no file`() throws {
        let environment = SettingsEnvironment([
            "HOMING_LISTEN": "127.0.0.1:0, [::1]:0", "HOMING_REPLICA": "a:1,b:2", "HOMING_ADMIN": "off",
            "HOMING_MODEL": "x,y", "HOMING_POLICY": "least_in_flight", "HOMING_TLS_CERTIFICATE": "/c",
            "HOMING_TLS_KEY": "/k", "HOMING_CLUSTERS_0_MODEL_FREE_ACTION": "forward",
        ])
        let settings = try ServeOptions.parse([]).settings(environment: environment)
        #expect(settings.listeners.map(\.address.description) == ["127.0.0.1:0", "[::1]:0"])
        #expect(settings.listeners.allSatisfy { $0.tls?.certificateFile == "/c" && $0.tls?.privateKeyFile == "/k" })
        #expect(settings.admin.address == nil)
        let cluster = settings.clusters[0]
        #expect(cluster.replicas.map(\.address.description) == ["a:1", "b:2"])
        #expect(cluster.models == ["x", "y"] && cluster.routing.policy == .leastInFlight)
    }

    @Test func `a wrong value and a wrong name are problems, all at once, that name the variable`() {
        #expect(
            self.problems([
                "HOMING_THREADS": "5000", "HOMING_REPLICA": "nowhere", "HOMING_PROXY_DRAIN_TIMEOUT": "5",
                "HOMING_POLICY": "round_robbin",
            ]) == [
                "HOMING_THREADS: expected a whole number, 0 to 1024, found \"5000\"",
                "HOMING_PROXY_DRAIN_TIMEOUT: no such variable; did you mean HOMING_PROXY_DRAIN_TIMEOUT_MS?",
                "HOMING_REPLICA: the port is missing after \"nowhere\"; write host:port",
                "HOMING_POLICY: It is one of round_robin, least_in_flight, power_of_two, consistent_hash, prefix_cache, "
                    + "expected_ttft; did you mean round_robin?",
            ])
    }

    @Test func `what a flag cannot mean is said of its variable, if it came from that`() throws {
        do {
            let text = "clusters: [{ name: a, models: [a] }, { name: b }]"
            _ = try self.settings(["HOMING_REPLICA": "h:9"], text: text)
            Issue.record("two clusters, and a replica for either")
        } catch {
            let expected = "HOMING_REPLICA: the file has 2 clusters, so this belongs into the file"
            #expect("\(error)" == expected)
        }
    }

    @Test func `the file is the flag's, else the variable's`() throws {
        let environment = SettingsEnvironment(["HOMING_CONFIG": "/variable"])
        #expect(try ServeOptions.parse([]).file(environment: environment) == "/variable")
        #expect(try ServeOptions.parse(["-c", "/flag"]).file(environment: environment) == "/flag")
        #expect(try ServeOptions.parse([]).file(environment: SettingsEnvironment([:])) == nil)
    }

    @Test func `what contradicts another setting is said of the variable that it came from`() {
        #expect(
            self.problems(["HOMING_DEFAULT_CLUSTER": "b"]) == [
                "HOMING_DEFAULT_CLUSTER: there is no cluster \"b\"; did you mean \"a\"?"
            ])
    }

    @Test func `variables that hold secrets, that clients read and that Kubernetes sets are no mistakes`() throws {
        let environment = [
            "HOMING_ADMIN_TOKEN": "x", "HOMING_ADDRESS": "h:1", "HOMING_PORT": "tcp://10.0.0.1:50051",
            "HOMING_SERVICE_HOST": "10.0.0.1", "HOMING_SERVICE_PORT_GRPC": "50051",
            "HOMING_ADMIN_PORT_9901_TCP_ADDR": "10.0.0.1", "HOMING_PROXY_SERVICE_HOST": "10.0.0.1",
        ]
        #expect(self.problems(environment).isEmpty)
        let unknown = SettingsEnvironment(["HOMING_PROXY_SECRET": "s"])
        #expect(unknown.unknown(besides: []).problems.count == 1)
        #expect(unknown.unknown(besides: ["HOMING_PROXY_SECRET"]).problems.isEmpty)
        let other = SettingsEnvironment(["HOMING_BIN": "/x", "PATH": "/y"]).unknown(besides: [])
        #expect(other.problems.isEmpty && other.notes == ["HOMING_BIN is set, and means nothing to homing"])
    }

    @Test func `no variable of a flag is that of a key`() {
        let keys = KeyTable().sections.flatMap(\.keys).flatMap(\.variables)
        #expect(keys.count > 100 && Set(keys).count == keys.count)
        #expect(Set(keys).isDisjoint(with: SettingsEnvironment.flags))
        for variable in keys {
            #expect(SettingsEnvironment.keys.overrides(in: [variable: "x"]).byPath.count == 1, "\(variable)")
        }
    }
}
