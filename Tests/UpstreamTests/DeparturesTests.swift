import Routing
import Telemetry
import TestSupport
import Testing
import Transport
import Wire

@testable import Upstream

/// Replicas that join and leave a proxy that serves.
@Suite struct DeparturesTests {
    private static let path = "/backend.Backend/PredictStream"

    private static func isGone(_ fleet: Fleet, _ replica: Replica) async throws {
        try await until("it is gone") { replica.isGone && fleet.slots.inUse == fleet.cluster.replicas.count }
    }

    @Test func `a replica that joins is probed and gets streams, and one that leaves closes its connections`()
        async throws
    {
        try await Fleet.run(.healthy, plan: { $0.probes = true }) { fleet in
            let second = try await ScriptedWorker.start(.healthy)
            try fleet.cluster.add(ReplicaSettings(address: second.endpoint))
            try await until("it is probed") { fleet.cluster.rows()[1].availability == .available }
            try fleet.cluster.drain(fleet[0].endpoint.description)
            let result = try await fleet.predict("a")
            #expect(result.worker == second.endpoint.description)
            let first = fleet.replica(0)
            try fleet.cluster.remove(first.name)
            try await Self.isGone(fleet, first)
            try await until("its connections are closed") { first.connections.value == 0 }
            #expect(fleet.cluster.replicas.map(\.name) == [second.endpoint.description])
            let probes = fleet[0].calls("Health").count
            try await until("the other one is probed on") { second.calls("Health").count > 20 }
            #expect(fleet[0].calls("Health").count <= probes + 1, "its prober has ended")
            try fleet.cluster.add(ReplicaSettings(address: fleet[0].endpoint))
            let back = try #require(fleet.cluster.replicas.last)
            #expect(back.slot == first.slot && back.serial != first.serial)
            try await until("it is back") { fleet.cluster.rows()[1].availability == .available }
            try fleet.cluster.remove(second.endpoint.description)
            #expect(try await fleet.predict("b").worker == back.name)
            await second.stop()
        }
    }

    @Test func `an open stream goes on to its end on a replica that leaves`() async throws {
        try await Fleet.run(.echoing, .healthy, plan: { $0.probes = true }) { fleet in
            try fleet.cluster.drain(fleet[1].endpoint.description)
            let call = try await fleet.caller().start(Self.path)
            await call.send(Fleet.predictBody("a"))
            try await until("it is answered") { await call.soFar().httpStatus == "200" }
            try fleet.cluster.undrain(fleet[1].endpoint.description)
            let replica = fleet.replica(0)
            try fleet.cluster.remove(replica.name)
            #expect(try await fleet.predict("b").worker == fleet[1].endpoint.description)
            #expect(fleet.cluster.rows()[0].drain != nil && fleet.cluster.rows()[0].inFlight == 1)
            await call.send(Fleet.predictBody("more"))
            await call.end()
            let result = try await call.result()
            #expect(result.status == .ok && result.worker == replica.name)
            try await Self.isGone(fleet, replica)
        }
    }

    @Test func `a stream that outlives the limit is cut, and one that had no answer yet goes elsewhere`() async throws {
        try await Fleet.run(
            .echoing, plan: { plan in (plan.probes, plan.cluster.replicaDrainTimeoutMs) = (true, 30) }
        ) { fleet in
            let caller = try await fleet.caller()
            let answering = await caller.start(Self.path)
            await answering.send(Fleet.predictBody("a"))
            try await until("it is answered") { await answering.soFar().httpStatus == "200" }
            fleet[0].behave(.neverAnswers)
            let waiting = await caller.start("/backend.Backend/Predict")
            await waiting.send(Fleet.predictBody("b"))
            await waiting.end()
            try await until("the worker has both") { fleet[0].calls().count == 2 }
            let second = try await ScriptedWorker.start(.healthy)
            let replica = fleet.replica(0)
            fleet.cluster.reconcile([ReplicaSettings(address: second.endpoint)])
            #expect(try await answering.result().status == .aborted)
            let moved = try await waiting.result()
            #expect(moved.status == .ok && moved.worker == second.endpoint.description)
            try await Self.isGone(fleet, replica)
            await second.stop()
        }
    }

    @Test func `those that wait for a replica which leaves go to another one, and without one hear so`() async throws {
        try await Fleet.run(
            .echoing, .echoing,
            plan: { plan in (plan.probes, plan.cluster.routing.admission.maxInFlight) = (true, .streams(1)) }
        ) { fleet in
            let caller = try await fleet.caller()
            var open: [OpenCall] = []
            for prompt in ["a", "b", "c"] {
                let call = await caller.start(Self.path)
                await call.send(Fleet.predictBody(prompt))
                open.append(call)
            }
            try await until("one waits") { fleet.cluster.waitingCount == 1 && fleet.leases == 2 }
            try fleet.cluster.remove(fleet[0].endpoint.description)
            #expect(fleet.cluster.waitingCount == 1)
            try fleet.cluster.drain(fleet[1].endpoint.description)
            let refused = try await open[2].result()
            #expect(refused.status == .unavailable && refused.statusText == "no replica can be reached")
            for call in open.prefix(2) {
                await call.end()
                #expect(try await call.result().status == .ok)
            }
            try fleet.cluster.undrain(fleet[1].endpoint.description)
        }
    }

    @Test func `one that joins after a LoadModel gets the model before it gets streams`() async throws {
        try await Fleet.run(.healthy, plan: { $0.probes = true }) { fleet in
            #expect(try await fleet.call("LoadModel", Fleet.loadBody("m")).status == .ok)
            let second = try await ScriptedWorker.start(.notLoaded)
            try fleet.cluster.add(ReplicaSettings(address: second.endpoint))
            try fleet.cluster.drain(fleet[0].endpoint.description)
            try await until("it has its model") { fleet.cluster.rows()[1].availability == .available }
            #expect(second.calls("LoadModel").map(\.body) == [Fleet.loadBody("m")])
            #expect(try await fleet.predict("a").worker == second.endpoint.description)
            // The one that drains is left as it is until it is back.
            #expect(try await fleet.call("LoadModel", Fleet.loadBody("n")).status == .ok)
            #expect(fleet[0].calls("LoadModel").count == 1)
            try fleet.cluster.undrain(fleet[0].endpoint.description)
            try await until("it is brought up to date") { fleet[0].calls("LoadModel").count == 2 }
            await second.stop()
        }
    }

    @Test func `a cluster without replicas answers UNAVAILABLE, and the next one that joins serves`() async throws {
        try await Fleet.run(plan: { $0.probes = true }) { fleet in
            #expect(try await fleet.predict("a").status == .unavailable)
            #expect(try await fleet.call("Health", Fleet.predictBody("")).status == .unavailable)
            for method in ["Status", "GetMetrics", "StoresGet", "StoresSet", "Free"] {
                _ = try await fleet.call(method, Fleet.predictBody(""))
            }
            let worker = try await ScriptedWorker.start(.healthy)
            fleet.cluster.reconcile([ReplicaSettings(address: worker.endpoint)], origin: .discovery("dns"))
            try await until("it serves") { fleet.cluster.hasAvailableReplica }
            #expect(try await fleet.predict("a").status == .ok)
            fleet.cluster.reconcile([], origin: .discovery("dns"))
            try await until("it is gone") { fleet.cluster.replicas.isEmpty }
            #expect(try await fleet.predict("a").status == .unavailable)
            await worker.stop()
        }
    }

    @Test func `calls go on without a failure while replicas come and go`() async throws {
        try await Fleet.run(
            .healthy, .healthy, .healthy,
            plan: { plan in (plan.probes, plan.loops, plan.cluster.replicaDrainTimeoutMs) = (true, 2, 20_000) }
        ) { fleet in
            let addresses = (0..<3).map { fleet[$0].endpoint }
            async let changes: Void = {
                for round in 0..<12 {
                    let away = addresses[round % 3]
                    let replica = try #require(fleet.cluster.replicas.first { $0.endpoint == away })
                    fleet.cluster.reconcile(addresses.filter { $0 != away }.map { ReplicaSettings(address: $0) })
                    if round % 4 == 3 {
                        try await until("it may be called back") { fleet.cluster.leaving.isEmpty || round % 8 == 7 }
                    } else {
                        try await Self.isGone(fleet, replica)
                    }
                    fleet.cluster.reconcile(addresses.map { ReplicaSettings(address: $0) })
                    try await until("all are in") { fleet.cluster.rows().allSatisfy { $0.availability == .available } }
                }
            }()
            for number in 0..<200 {
                let result = try await fleet.predict(String(repeating: "prompt \(number % 7) ", count: 60))
                try #require(result.status == .ok, "call \(number): \(result.statusText ?? "")")
            }
            try await changes
            #expect(fleet.metric("homing_in_flight_drift_total{cluster=\"main\"}") == 0)
            try await until("slots are given back") { fleet.slots.inUse == 3 }
        }
    }
}
