import Logging
import Proxy
import Routing
import Testing
import Transport
import Upstream
import Wire

@testable import homing

/// What of new settings applies at once, and what waits for a restart.
struct SettingsMergeTests {
    private static func settings(_ change: (inout ServeSettings) -> Void = { _ in }) -> ServeSettings {
        var settings = ServeSettings()
        var chat = ClusterSettings()
        chat.name = "chat"
        chat.replicas = [ReplicaSettings(address: Endpoint(.host("w", port: 1)))]
        var other = ClusterSettings()
        other.name = "other"
        other.models = ["m"]
        settings.clusters = [chat, other]
        change(&settings)
        return settings
    }

    private static func merge(
        mayLogToFile: Bool = true, from: (inout ServeSettings) -> Void = { _ in },
        _ change: (inout ServeSettings) -> Void
    ) -> SettingsMerge {
        let old = self.settings(from)
        var new = old
        change(&new)
        return SettingsMerge(old, new, mayLogToFile: mayLogToFile)
    }

    @Test func `the same settings change nothing`() {
        let merge = Self.merge { _ in }
        #expect(merge.applied == Self.settings() && merge.changed.isEmpty && merge.restartRequired.isEmpty)
    }

    @Test func `most of it applies at once, and is named by its keys`() {
        let merge = Self.merge { settings in
            settings.logLevel = .debug
            settings.proxy.maxConnections = 7
            settings.accessLog.sampleShare = 0.5
            settings.clusters[0].routing.policy = .roundRobin
            settings.clusters[0].routing.admission.maxWaitMs = 9
            settings.clusters[0].replicas[0].weight = 3
            settings.clusters[1].outlier.minStreams = 4
            settings.defaultCluster = "other"
            settings.reloadIntervalMs = 5
        }
        #expect(
            Set(merge.changed) == [
                "log_level", "proxy.max_connections", "access_log.sample_share", "clusters[0].routing.policy",
                "clusters[0].admission.max_wait_ms", "clusters[0].replicas", "clusters[1].outlier.min_streams",
                "default_cluster", "reload_interval_ms",
            ])
        #expect(merge.restartRequired.isEmpty)
    }

    @Test func `what cannot change keeps its value and is named`() {
        let merge = Self.merge { settings in
            settings.threads = 3
            settings.admin.address = nil
            settings.listeners[0].cluster = "chat"
            settings.accessLog.path = "/elsewhere"
            settings.clusters[0].model.stateFile = "/state"
            settings.clusters[0].tls = TLSClientSettings()
            settings.clusters[0].model.retryMs = 1
        }
        #expect(
            Set(merge.restartRequired) == [
                "threads", "admin.address", "listeners[0].cluster", "access_log.path",
                "clusters[0].model.state_file", "clusters[0].tls",
            ])
        #expect(merge.changed == ["clusters[0].model.retry_ms"])
        #expect(merge.applied.threads == 0 && merge.applied.clusters[0].tls == nil)
    }

    @Test func `listeners and clusters that come or go wait, and those that stay change`() {
        let merge = Self.merge { settings in
            settings.listeners.append(ListenerSettings(address: Endpoint(.host("h", port: 5))))
            settings.listeners[0].auth.tokens = [AcceptedToken(token: BearerToken("t", from: .environment("T")))]
            settings.clusters.swapAt(0, 1)
            settings.clusters[0].name = "third"
            settings.clusters[1].stores.writes = .all
        }
        #expect(merge.applied.clusters.map(\.name) == ["chat", "other"])
        #expect(Set(merge.changed) == ["listeners[0].auth.tokens", "clusters[0].stores.writes"])
        #expect(merge.restartRequired.contains("listeners") && merge.restartRequired.contains("clusters[0].name"))
    }

    @Test func `what would contradict what stays does not change`() {
        // The model moves to a cluster that is not there before a restart.
        let merge = Self.merge { settings in
            settings.clusters[1].models = []
            settings.clusters[0].models = ["a"]
            settings.clusters[0].name = "new"
            settings.logLevel = .debug
        }
        #expect(merge.applied.contradictions(lines: [:]).isEmpty)
        #expect(merge.applied.clusters == Self.settings().clusters && merge.changed == ["log_level"])
        #expect(!merge.restartRequired.isEmpty)
        let named = Self.merge { settings in
            settings.clusters[0].name = "new"
            settings.defaultCluster = "new"
        }
        #expect(named.applied == Self.settings())
    }

    @Test func `an access log whose file is not open cannot begin`() {
        let off: (inout ServeSettings) -> Void = { ($0.accessLog.enabled, $0.accessLog.path) = (false, "/log") }
        let merge = Self.merge(mayLogToFile: false, from: off) { $0.accessLog.enabled = true }
        #expect(merge.restartRequired == ["access_log.enabled"] && merge.changed.isEmpty)
        let stops = Self.merge { $0.accessLog.enabled = false }
        #expect(stops.changed == ["access_log.enabled"])
    }

    @Test func `a token with another text and the same origin is a change that shows nothing of it`() {
        func token(_ text: String) -> BearerToken { BearerToken(text, from: .file("/t")) }
        let merge = Self.merge(from: { settings in
            settings.clusters[0].auth.token = token("one")
            settings.admin.auth.tokens = [AcceptedToken(token: token("one"))]
        }) { settings in
            settings.clusters[0].auth.token = token("two")
            settings.admin.auth.tokens = [AcceptedToken(token: token("two"))]
        }
        #expect(Set(merge.changed) == ["clusters[0].auth.token", "admin.auth.tokens"])
    }
}
