import Config
import Logging
import Proxy
import Routing
import Testing
import Transport
import Upstream

@testable import homing

struct ServeSettingsTests {
    @Test func `an empty file is the defaults`() {
        var settings = ServeSettings()
        let findings = ConfigText.read("", into: &settings, secrets: .none)
        #expect(findings.problems.isEmpty)
        #expect(settings == ServeSettings())
        #expect(settings.listeners.map(\.address.description) == ["127.0.0.1:50051"])
        #expect(settings.admin.address?.description == "127.0.0.1:9901")
        #expect(settings.lack != nil)
    }

    @Test func `every key of the file is read`() throws {
        let settings = try read(Self.everyKey)
        #expect(
            settings.listeners.map(\.address.description) == [
                "127.0.0.1:50051", "[::1]:50052", "unix:/run/homing.sock",
            ])
        #expect(settings.listeners.map(\.cluster) == ["chat", nil, "embed"])
        #expect(settings.admin.address == nil)
        #expect(settings.threads == 3)
        #expect(settings.proxy.maxHeldBytes == 1_024)
        #expect(settings.proxy.maxConcurrentStreams == 12)
        #expect(settings.proxy.drainTimeoutMs == 13)
        #expect(settings.proxy.explain == .always)
        #expect(!settings.accessLog.enabled)
        #expect(settings.accessLog.format == .json)
        #expect(settings.logLevel == .debug)
        let chat = settings.clusters[0]
        #expect(chat.name == "chat")
        #expect(chat.models == ["qwen3", "qwen3-32b"])
        #expect(chat.routing.policy == .leastInFlight)
        #expect([chat.routing.blockBytes, chat.routing.maxBlocks, chat.routing.prefixTtlMs] == [14, 15, 16])
        #expect([chat.routing.maxIndexBlocks, chat.routing.balanceAbsolute] == [17, 18])
        #expect([chat.routing.minPrefixMatch, chat.routing.balanceRelative] == [0.19, 2.5])
        #expect([chat.probe.intervalMs, chat.probe.deadlineMs, chat.probe.failuresToEject] == [20, 21, 22])
        #expect([chat.probe.retryMs, chat.probe.successesToReturn] == [23, 24])
        #expect(chat.probe.jitterShare == 0.25)
        #expect(
            [chat.connections.perLoop, chat.connections.connectTimeoutMs, chat.connections.maxRetries] == [26, 27, 28])
        #expect(chat.model.freeAction == .forward)
        #expect([chat.model.loadTimeoutMs, chat.model.drainTimeoutMs] == [29, 30])
        #expect(chat.replicas.map(\.address.description) == ["127.0.0.1:50052", "worker:50053"])
        #expect(chat.replicas.map(\.weight) == [1, 2])
        #expect(settings.clusters[1].name == "embed")
        #expect(settings.lack == nil)
    }

    @Test func `every key about health is read`() throws {
        let settings = try read(
            """
            clusters:
            - name: chat
              routing: { slow_start_ms: 1 }
              probe: { protocol: grpc_health, fresh_for_ms: 2 }
              outlier:
                consecutive_failures: 3
                error_share: 0.4
                latency_factor: 5
                latency_excess_ms: 6
                window_ms: 7000
                min_streams: 8
                base_ejection_ms: 9
                max_ejection_ms: 10
                max_ejected_share: 0.11
              stall: { stall_after_ms: 12, give_up_after_ms: 13, expected_factor: 14, patience_ms: 15 }
              model: { free_action: unload_all, success_rule: quorum, retry_ms: 16, retry_max_ms: 17, state_file: /a }
              lost_answer_status: unavailable
              replicas: [127.0.0.1:50052]
            """)
        let chat = settings.clusters[0]
        #expect(chat.routing.slowStartMs == 1)
        #expect(chat.probe.probeProtocol == .grpcHealth && chat.probe.freshForMs == 2)
        let outlier = chat.outlier
        #expect([outlier.consecutiveFailures, outlier.latencyExcessMs, outlier.windowMs] == [3, 6, 7_000])
        #expect([outlier.minStreams, outlier.baseEjectionMs, outlier.maxEjectionMs] == [8, 9, 10])
        #expect([outlier.errorShare, outlier.latencyFactor, outlier.maxEjectedShare] == [0.4, 5, 0.11])
        #expect([chat.stall.stallAfterMs, chat.stall.giveUpAfterMs, chat.stall.patienceMs] == [12, 13, 15])
        #expect(chat.stall.expectedFactor == 14 && chat.lostAnswerStatus == .unavailable)
        #expect(chat.model.freeAction == .unloadAll && chat.model.successRule == .quorum)
        #expect([chat.model.retryMs, chat.model.retryMaxMs] == [16, 17] && chat.model.stateFile == "/a")
        #expect(try read(ConfigText.effective(settings)) == settings)
    }

    @Test func `one state file for two clusters, and limits below their beginnings, are problems`() {
        var settings = ServeSettings()
        let findings = SettingsFile.read(
            Array(
                """
                clusters:
                - { name: a, models: [x], replicas: [127.0.0.1:1], model: { state_file: /s, retry_max_ms: 5 } }
                - { name: b, models: [y], replicas: [127.0.0.1:2], model: { state_file: /s }, outlier: { max_ejection_ms: 5 } }
                """.utf8), into: &settings, secrets: .none)
        #expect(
            findings.problems.map(\.path) == [
                "clusters[0].model.retry_max_ms", "clusters[1].model.state_file", "clusters[1].outlier.max_ejection_ms",
            ])
    }

    @Test func `the effective file is read back as the same settings`() throws {
        let settings = try read(Self.everyKey)
        #expect(try read(ConfigText.effective(settings)) == settings)
        #expect(try read(ConfigText.effective(ServeSettings())) == ServeSettings())
    }

    @Test func `the reference is a file with the defaults, and every key has a manual entry`() throws {
        let reference = ConfigText.reference(of: ServeSettings.self)
        #expect(try read(reference) == ServeSettings())
        for key in ["balance_relative", "successes_to_return", "max_retries", "free_action", "explain", "weight"] {
            #expect(reference.contains("\(key): "), "\(key)")
        }
        #expect(everything(in: ConfigText.records(of: ServeSettings())).allSatisfy { $0.manual.hasSuffix(".") })
    }

    @Test(arguments: [
        ("listeners: []", "line 1: listeners: is empty; name at least one, or leave the key out for the default"),
        (
            "listeners: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:1]",
            "line 1: listeners[2].address: 127.0.0.1:1 is the address of listeners[0].address already"
        ),
        (
            "listeners: [127.0.0.1:9901]",
            "admin.address: 127.0.0.1:9901 is the address of listeners[0].address already"
        ),
        (
            "listeners: [{ address: 127.0.0.1:1, cluster: chta }]\nclusters:\n- name: chat",
            #"line 1: listeners[0].cluster: there is no cluster "chta"; did you mean "chat"?"#
        ),
        (
            "clusters:\n- { name: a, models: [x] }\n- { name: a, models: [y] }",
            #"line 3: clusters[1].name: "a" is the name of clusters[0] already"#
        ),
        (
            "clusters:\n- { name: a, models: [x] }\n- name: b\n  models: [y, x]",
            #"line 4: clusters[1].models[1]: "x" is served by clusters[0].models[0] already"#
        ),
        (
            "clusters:\n- name: a\n- name: b\n",
            "line 3: clusters[1]: serves any model, but clusters[0] does already; "
                + "list its models or name it in a listener"
        ),
        (
            "clusters:\n- name: a\n  replicas: [a:1, b:1, A:1]",
            "line 3: clusters[0].replicas[2].address: a:1 is the address of clusters[0].replicas[0] already"
        ),
        (
            "clusters:\n- name: a\n  replicas:\n  - a:0",
            "line 4: clusters[0].replicas[0].address: a replica needs its port; 0 is for listeners only"
        ),
        (
            "clusters:\n- name: a\n  replicas:\n  - a",
            #"line 4: clusters[0].replicas[0].address: the port is missing after "a"; write host:port"#
        ),
        (
            "clusters:\n- name: a\n  routing: { polcy: round_robin }",
            #"line 3: clusters[0].routing.polcy: unknown key; did you mean "policy"?"#
        ),
        (
            "clusters:\n- name: a b",
            #"line 2: clusters[0].name: expected 1 to 64 letters, digits, '_', '-' or '.', found "a b""#
        ),
        (
            "clusters:\n- models: [a]",
            "line 2: clusters[0].name: is missing; expected 1 to 64 letters, digits, '_', '-' or '.'"
        ),
    ])
    func `what contradicts is one problem with its place`(text: String, problem: String) {
        #expect(problems(text) == [problem])
    }

    @Test func `a contradiction is found beside other problems, but not about a value that could not be read`() {
        let text = """
            listeners: [127.0.0.1:1, 127.0.0.1:1]
            clusters:
            - replicas: [h:1, h:1, bad, worse]
            """
        #expect(
            problems(text) == [
                "line 1: listeners[1].address: 127.0.0.1:1 is the address of listeners[0].address already",
                "line 3: clusters[0].name: is missing; expected 1 to 64 letters, digits, '_', '-' or '.'",
                #"line 3: clusters[0].replicas[2].address: the port is missing after "bad"; write host:port"#,
                #"line 3: clusters[0].replicas[3].address: the port is missing after "worse"; write host:port"#,
                "line 3: clusters[0].replicas[1].address: h:1 is the address of clusters[0].replicas[0] already",
            ])
    }

    @Test func `what does not contradict is accepted`() throws {
        _ = try read("listeners: [127.0.0.1:0, 127.0.0.1:0]")
        _ = try read("clusters:\n- { name: a, replicas: [h:1] }\n- { name: b, models: [m], replicas: [h:1] }")
        _ = try read("listeners: [{ address: h:1, cluster: b }]\nclusters:\n- name: a\n- name: b")
        _ = try read("admin: { address: \"\" }\nlisteners: [127.0.0.1:9901]")
    }

    static let everyKey = """
        listeners:
          - address: 127.0.0.1:50051
            cluster: chat
          - "[::1]:50052"
          - { address: "unix:///run/homing.sock", cluster: embed }
        admin: { address: off }
        threads: 3
        proxy: { max_held_bytes: 1024, max_concurrent_streams: 12, drain_timeout_ms: 13, explain: always }
        access_log: { enabled: false, format: json }
        log_level: debug
        clusters:
          - name: chat
            models: [qwen3, qwen3-32b]
            routing:
              policy: least_in_flight
              block_bytes: 14
              max_blocks: 15
              prefix_ttl_ms: 16
              max_index_blocks: 17
              balance_absolute: 18
              min_prefix_match: 0.19
              balance_relative: 2.5
            probe:
              interval_ms: 20
              deadline_ms: 21
              failures_to_eject: 22
              retry_ms: 23
              successes_to_return: 24
              jitter_share: 0.25
            connections: { per_loop: 26, connect_timeout_ms: 27, max_retries: 28 }
            model: { free_action: forward, load_timeout_ms: 29, drain_timeout_ms: 30 }
            replicas:
              - 127.0.0.1:50052
              - { address: "dns:///worker:50053", weight: 2 }
          - name: embed
        """
}

/// The settings of a text that is right.
private func read(_ text: String) throws -> ServeSettings {
    var settings = ServeSettings()
    let problems = SettingsFile.read(Array(text.utf8), into: &settings, secrets: .none).problems
    try #require(problems.isEmpty, "\(problems)")
    return settings
}

/// Everything that is wrong with a text, as the program would say it.
private func problems(_ text: String) -> [String] {
    var settings = ServeSettings()
    return SettingsFile.read(Array(text.utf8), into: &settings, secrets: .none).problems.map(\.description)
}

/// The records and everything inside them.
private func everything(in records: [KeyRecord]) -> [KeyRecord] {
    records.flatMap { record in
        switch record.content {
        case .section(let inner), .unsetSection(let inner), .sections(_, let inner):
            [record] + everything(in: inner)
        case .value, .unset, .values, .secret:
            [record]
        }
    }
}
