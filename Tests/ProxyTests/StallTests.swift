import Proxy
import Routing
import TestSupport
import Testing
import Transport
import Upstream
import Wire

/// Replicas that take streams and say nothing.
@Suite struct StallTests {
    private static let metric = "homing_retries_total{cause=\"replica_stalled\",cluster=\"main\"}"

    @Test(arguments: ["Predict", "PredictStream", "Score", "Embedding", "TokenizeString"])
    func `a call that waits on a replica which hangs is answered by another`(method: String) async throws {
        try await Fleet.run(
            .mute, .healthy, plan: { ($0.cluster.routing.policy, $0.cluster.stall.stallAfterMs) = (.roundRobin, 100) }
        ) { fleet in
            let result = try await fleet.call(method, Fleet.predictBody("hello"))
            #expect(result.status == .ok && fleet.position(of: result) == 1)
            #expect(fleet.metric(Self.metric) == 1)
            #expect(fleet.cluster.rows()[0].availability == .stalled)
            for number in 0..<10 {
                let next = try await fleet.predict("prompt \(number)")
                #expect(next.status == .ok && fleet.position(of: next) == 1)
            }
            #expect(fleet.metric(Self.metric) == 1, "nobody is sent there any more")
        }
    }

    @Test func `a call that may change something is not moved`() async throws {
        try await Fleet.run(
            .mute, .healthy, plan: { ($0.cluster.routing.policy, $0.cluster.stall.stallAfterMs) = (.roundRobin, 100) }
        ) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/ExportModel")
            await call.send(GRPCFrame.framed([]))
            await call.end()
            try await until("the stall is known") { fleet.cluster.rows()[0].availability == .stalled }
            #expect(await call.soFar().closure == nil)
            #expect(fleet.metric(Self.metric) == 0)
            await call.cancel()
        }
    }

    @Test func `the only replica is waited for`() async throws {
        try await Fleet.run(.mute, plan: { $0.cluster.stall.stallAfterMs = 100 }) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/Predict")
            await call.send(Fleet.predictBody("hello"))
            await call.end()
            try await until("the stall is known") { fleet.cluster.rows()[0].availability == .stalled }
            #expect(await call.soFar().closure == nil)
            await call.cancel()
        }
    }

    @Test func `a connection that stays silent is cut, and its streams are served elsewhere`() async throws {
        try await Fleet.run(
            .mute, .healthy,
            plan: {
                $0.cluster.routing.policy = .roundRobin
                $0.cluster.stall.stallAfterMs = 100
                $0.cluster.stall.giveUpAfterMs = 300
            }
        ) { fleet in
            // Its request has not ended: it stays where it is, and says so when that is cut.
            let call = try await fleet.caller().start("/backend.Backend/ExportModel")
            await call.send(GRPCFrame.framed([]))
            await call.end()
            let result = try await call.result()
            #expect(result.status == .aborted)
            #expect(
                fleet.metric(
                    "homing_evictions_total{cause=\"stalled\",cluster=\"main\",replica=\"\(fleet[0].endpoint)\"}") == 1)
        }
    }

    @Test func `a worker that works in silence and answers PINGs is left alone`() async throws {
        try await Fleet.run(
            .neverAnswers, .healthy,
            plan: { ($0.cluster.routing.policy, $0.cluster.stall.stallAfterMs) = (.roundRobin, 600) }
        ) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/Predict")
            await call.send(Fleet.predictBody("hello"))
            await call.end()
            try await until("the call is there") { fleet[0].calls().count == 1 }
            // Two more silences' worth of other work.
            let began = Loop.now
            try await until("a stall would have been seen") { Loop.now > began + 1_500_000_000 }
            #expect(await call.soFar().closure == nil && fleet.cluster.rows()[0].availability == .available)
            #expect(fleet.metric(Self.metric) == 0)
            await call.cancel()
        }
    }

    @Test func `a stream that waits far longer than expected leaves a replica that answers PINGs only`() async throws {
        try await Fleet.run(
            .neverAnswers, .healthy,
            plan: {
                $0.cluster.stall.patienceMs = 200
                $0.cluster.stall.expectedFactor = 2
            }
        ) { fleet in
            let result = try await fleet.call("PredictStream", Fleet.predictBody("hello"))
            #expect(result.status == .ok && fleet.position(of: result) == 1)
            #expect(
                fleet.metric(
                    "homing_stalls_total{cluster=\"main\",kind=\"forgotten\",replica=\"\(fleet[0].endpoint)\"}") == 1)
        }
    }

    @Test func `the status of a lost answer is the cluster's to choose`() async throws {
        for (choice, code) in [
            (ClusterSettings.LostAnswerStatus.aborted, GRPCStatusCode.aborted), (.unavailable, .unavailable),
        ] {
            let bytes = GRPCFrame.framed(Array("begun".utf8))
            try await Fleet.run(
                .closesSocket(.midStream(bytes)), .healthy,
                plan: { ($0.cluster.routing.policy, $0.cluster.lostAnswerStatus) = (.roundRobin, choice) }
            ) { fleet in
                let result = try await fleet.call("PredictStream", Fleet.predictBody("hello"))
                #expect(result.body == bytes && result.status == code)
            }
        }
    }
}
