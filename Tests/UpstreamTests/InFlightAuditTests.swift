import Routing
import TestSupport
import Testing

@testable import Upstream

@Suite struct InFlightAuditTests {
    private typealias Count = InFlightAudit.Count

    @Test func `nothing changed: exactly as many must be there`() {
        let count = Count(inFlight: 3, begun: 10)
        #expect(InFlightAudit.drift(live: 3, first: count, second: count) == 0)
        #expect(InFlightAudit.drift(live: 1, first: count, second: count) == 2)
        #expect(InFlightAudit.drift(live: 5, first: count, second: count) == 2)
    }

    @Test func `streams that came and went meanwhile may or may not have been seen`() {
        // Four began, five ended.
        let (first, second) = (Count(inFlight: 3, begun: 10), Count(inFlight: 2, begun: 14))
        for live in 0...7 { #expect(InFlightAudit.drift(live: live, first: first, second: second) == 0) }
        #expect(InFlightAudit.drift(live: 9, first: first, second: second) == 2)
    }

    @Test func `open streams are found, and a lease that nobody has is drift`() async throws {
        try await Fleet.run(.neverAnswers, .neverAnswers, plan: { $0.loops = 2 }) { fleet in
            let caller = try await fleet.caller()
            var calls: [OpenCall] = []
            for number in 0..<6 {
                let call = await caller.start("/backend.Backend/Predict")
                await call.send(Fleet.predictBody("prompt \(number)"))
                await call.end()
                calls.append(call)
            }
            try await until("all are in flight") { fleet.leases == 6 }
            let audit = InFlightAudit(cluster: fleet.cluster, loops: fleet.upstream)
            await audit.run()
            #expect(fleet.metric("homing_in_flight_drift_total{cluster=\"main\"}") == 0)
            let chain = PrefixChain(settings: fleet.cluster.settings.routing)
            let (_, decision) = try #require(fleet.cluster.pick(chain, excluding: [], at: 1))
            await audit.run()
            #expect(fleet.metric("homing_in_flight_drift_total{cluster=\"main\"}") == 1)
            fleet.cluster.release(decision.lease, .cancelled)
            for call in calls { await call.cancel() }
        }
    }
}
