import Logging
import Telemetry
import Testing
import Transport
import Upstream
import Wire

@testable import Proxy

struct ClusterDirectoryTests {
    private static func directory(_ models: [[String]]) -> ClusterDirectory {
        let registry = MetricRegistry()
        let log = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        return ClusterDirectory(
            clusters: models.enumerated().map { number, models in
                var settings = ClusterSettings()
                settings.name = "cluster\(number)"
                settings.models = models
                settings.replicas = [ReplicaSettings(address: Endpoint(.host("127.0.0.1", port: 1)))]
                return Cluster(settings: settings, slots: ReplicaSlots(), registry: registry, log: log)
            })
    }

    private static func find(_ directory: ClusterDirectory, _ model: String, on listener: Int? = nil) -> Int? {
        Array(model.utf8).withRawSpan { directory.cluster(for: $0, listenerCluster: listener) }
    }

    @Test func `one cluster without models serves any`() {
        let directory = Self.directory([[]])
        #expect(Self.find(directory, "") == 0 && Self.find(directory, "any") == 0)
        #expect(!directory.needsModel(listenerCluster: nil))
    }

    @Test func `a named model goes to its cluster, no model to the first, an unknown one nowhere`() {
        let directory = Self.directory([["a", "b"], ["c"]])
        #expect(["a", "b", "c"].map { Self.find(directory, $0) } == [0, 0, 1])
        #expect(Self.find(directory, "") == 0 && Self.find(directory, "d") == nil && Self.find(directory, "A") == nil)
        #expect(directory.needsModel(listenerCluster: nil))
    }

    @Test func `a listener's cluster takes what it serves and nothing of another's`() {
        let directory = Self.directory([["a"], ["b"], []])
        #expect(Self.find(directory, "b", on: 1) == 1 && Self.find(directory, "", on: 1) == 1)
        #expect(Self.find(directory, "a", on: 1) == nil && Self.find(directory, "z", on: 1) == nil)
        #expect(Self.find(directory, "z", on: 2) == 2 && Self.find(directory, "a", on: 2) == nil)
        #expect(directory.needsModel(listenerCluster: 1) && !directory.needsModel(listenerCluster: 2))
    }

    @Test func `a first cluster without models takes what no other names`() {
        let directory = Self.directory([[], ["b"]])
        #expect(Self.find(directory, "z") == 0 && Self.find(directory, "b") == 1 && Self.find(directory, "") == 0)
    }
}
