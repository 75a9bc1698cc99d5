import Proxy
import Routing
import Telemetry
import TestSupport
import Testing
import Transport
import Wire

@testable import Upstream

/// What a stream does when its replica is without its model, or with another one.
@Suite struct ModelRecoveryTests {
    private static let mismatch = WorkerBehavior.trailersOnly(
        .notFound, "model identity mismatch: this worker holds x, asked for m")

    private static func load(_ fleet: Fleet, _ model: String = "m") async {
        _ = await fleet.models.load(GRPCFrame.firstMessage(of: Fleet.loadBody(model)) ?? [])
    }

    @Test func `the only replica that lost its model is waited for, once`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            await Self.load(fleet)
            fleet[0].loseModel()
            let result = try await fleet.predict("hello")
            #expect(result.status == .ok && result.body == Fleet.predictBody("hello"))
            #expect(fleet[0].calls("LoadModel").count == 2 && fleet[0].forbiddenLoads == 0)
        }
    }

    @Test func `a load that fails leaves the worker's own words`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            await Self.load(fleet)
            fleet[0].loseModel()
            fleet[0].failLoads(true)
            let result = try await fleet.predict("hello")
            #expect(result.status == .failedPrecondition && result.statusText == "Model not loaded")
            #expect(fleet[0].calls("LoadModel").count == 2)
        }
    }

    @Test func `a caller who goes away while its model comes back leaves nothing behind`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            await Self.load(fleet)
            fleet[0].loseModel()
            fleet[0].holdLoads()
            let call = try await fleet.caller().start("/backend.Backend/Predict")
            await call.send(Fleet.predictBody("hello"))
            await call.end()
            try await until("it is loaded again") { fleet[0].calls("LoadModel").count == 2 }
            await call.cancel()
            try await until("the stream is over") { fleet.runtime.metrics.activeStreams.value == 0 }
            fleet[0].releaseLoads()
            try await until("the model is back") { fleet.cluster.rows()[0].availability == .available }
        }
    }

    @Test func `a replica that serves another model is out, and its stream goes elsewhere`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, plan: { $0.cluster.routing.policy = .roundRobin }) { fleet in
            await Self.load(fleet)
            fleet[0].behave(Self.mismatch)
            for number in 0..<4 {
                let result = try await fleet.predict("prompt \(number)", model: "m")
                #expect(result.status == .ok && fleet.position(of: result) == 1)
            }
            #expect(fleet[0].calls().count == 1, "it gets no other stream")
            #expect(fleet.cluster.model(of: fleet.replica(0)) == .another)
            #expect(fleet.metric("homing_retries_total{cause=\"model_mismatch\",cluster=\"main\"}") == 1)
        }
    }

    @Test func `a caller that names a model which is not the cluster's hears of it and harms nobody`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, plan: { $0.cluster.routing.policy = .roundRobin }) { fleet in
            await Self.load(fleet)
            for worker in fleet.workers { worker.behave(Self.mismatch) }
            let result = try await fleet.predict("a", model: "somebody else's")
            #expect(result.status == .notFound)
            #expect(result.statusText?.contains("model identity mismatch") == true)
            #expect(fleet.cluster.rows().allSatisfy { $0.availability == .available })
        }
    }

    @Test func `every replica serves another model: the caller hears the last one's words`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, plan: { $0.cluster.routing.policy = .roundRobin }) { fleet in
            await Self.load(fleet)
            for worker in fleet.workers { worker.behave(Self.mismatch) }
            let result = try await fleet.predict("a", model: "m")
            #expect(result.status == .notFound)
            #expect(fleet.workers.allSatisfy { $0.calls().count == 1 })
        }
    }

    @Test func `a caller that does not wait for its LoadModel does not stop it`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            fleet[0].holdLoads()
            let call = try await fleet.caller().start("/backend.Backend/LoadModel")
            await call.send(Fleet.loadBody("m"))
            await call.end()
            try await until("it is loading") { fleet[0].calls("LoadModel").count == 1 }
            let other = Task { await Self.load(fleet) }
            await call.cancel()
            try await until("the stream is over") { fleet.runtime.metrics.activeStreams.value == 0 }
            fleet[0].releaseLoads()
            await other.value
            #expect(fleet[0].calls("LoadModel").count == 1 && fleet.cluster.rows()[0].availability == .available)
        }
    }
}
