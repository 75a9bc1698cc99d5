import Routing
import TestSupport
import Testing
import Transport
import Wire

@testable import Upstream

@Suite struct ProberTests {
    @Test func `replicas are found alive or not, and one that starts to answer comes in by itself`() async throws {
        try await Fleet.run(.healthy, .refusing, plan: { ($0.areProbed, $0.probes) = (false, true) }) { fleet in
            try await until("both are probed") {
                fleet.cluster.rows().map(\.availability) == [.available, .unreachable]
            }
            let back = try await ScriptedWorker.start(.healthy, at: fleet[1].endpoint)
            try await until("the second one is in") { fleet.cluster.rows()[1].availability == .available }
            await back.stop()
            try await until("it is out again") { fleet.cluster.rows()[1].availability == .unreachable }
        }
    }

    @Test func `a prober that wakes itself does not spin`() async throws {
        try await Fleet.run(
            .refusing, plan: { ($0.areProbed, $0.probes, $0.cluster.probe.retryMs) = (false, true, 60_000) }
        ) { fleet in
            let name = fleet[0].endpoint.description
            let line = "homing_probes_total{cluster=\"main\",outcome=\"unreachable\",replica=\"\(name)\"}"
            try await until("it was probed") { fleet.metric(line) == 1 }
            // Calls that find it gone, and its own failure, ask for another look; none comes before its time.
            for _ in 0..<20 { _ = try await fleet.predict("a") }
            #expect(fleet.metric(line) == 1)
        }
    }
}
