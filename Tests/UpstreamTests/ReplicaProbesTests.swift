import Logging
import Routing
import TestSupport
import Testing
import Transport
import Wire

@testable import Upstream

@Suite struct ReplicaProbesTests {
    @Test func `a hundred askers at once share one probe`() async throws {
        try await Fleet.run(.healthy, plan: { $0.areProbed = false }) { fleet in
            let probes = fleet.models.probes
            await withTaskGroup(of: ProbeOutcome.self) { group in
                for _ in 0..<100 { group.addTask { await probes.check(fleet.replica(0)) } }
                for await outcome in group { #expect(outcome == .alive) }
            }
            #expect(fleet[0].calls("Health").count == 1)
        }
    }

    @Test func `an asker who goes away spoils nothing`() async throws {
        try await Fleet.run(.healthy, plan: { $0.areProbed = false }) { fleet in
            let probes = fleet.models.probes
            let leaving = Task { await probes.check(fleet.replica(0)) }
            leaving.cancel()
            #expect(await probes.check(fleet.replica(0)) == .alive)
            #expect(await leaving.value == .alive)
        }
    }

    @Test func `a success is believed until a connection fails, and failures are not kept`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let probes = fleet.models.probes
            for _ in 0..<5 { #expect(await probes.check(fleet.replica(0)) == .alive) }
            #expect(fleet[0].calls("Health").isEmpty, "the probe of the start is fresh")
            fleet.cluster.connectionEvicted(fleet.replica(0), .connectionLost)
            #expect(await probes.check(fleet.replica(0)) == .alive)
            #expect(fleet[0].calls("Health").count == 1)
            await fleet[0].stop()
            try await until("the loss is known") { !fleet.cluster.isFresh(fleet.replica(0), at: Loop.now) }
            for _ in 0..<3 {
                guard case .unreachable = await probes.check(fleet.replica(0)) else {
                    Issue.record("a dead worker was found alive")
                    return
                }
            }
            let back = try await ScriptedWorker.start(.healthy, at: fleet[0].endpoint)
            #expect(await probes.check(fleet.replica(0)) == .alive)
            await back.stop()
        }
    }

    @Test func `a call that is answered renews the freshness, and a probe is not sent then`() async throws {
        try await Fleet.run(
            .healthy, plan: { ($0.cluster.probe.freshForMs, $0.cluster.probe.intervalMs) = (60_000, 60_000) }
        ) { fleet in
            let before = Loop.now
            #expect(try await fleet.predict("a").status == .ok)
            try await until("the lease is back") { fleet.leases == 0 }
            #expect(fleet.cluster.lastAnswerNs(of: fleet.replica(0)) >= before)
            #expect(fleet.cluster.isFresh(fleet.replica(0), at: before + 59_000_000_000))
            #expect(!fleet.cluster.isFresh(fleet.replica(0), at: Loop.now + 60_000_000_000))
        }
    }

    @Test func `grpc_health asks the standard service and wants SERVING`() {
        let serving = UnaryCall.Answer.status(.ok, text: "", message: HealthCheckResponse(.serving).encoded())
        let other = UnaryCall.Answer.status(.ok, text: "", message: HealthCheckResponse(.notServing).encoded())
        #expect(ProbeOutcome(serving, .grpcHealth) == .alive)
        #expect(ProbeOutcome(other, .grpcHealth) == .unreachable(refused: false))
        #expect(ProbeOutcome(serving, .native) == .unreachable(refused: false))
        // A worker without the service is there all the same.
        #expect(ProbeOutcome(.status(.unimplemented, text: "", message: []), .grpcHealth) == .alive)
    }
}
