import Foundation
import Routing
import Synchronization
import TestSupport
import Testing
import Transport
import Wire

@testable import Upstream

/// LoadModel through a cluster of scripted workers. A worker counts every load that comes at a forbidden moment.
@Suite struct ModelLifecycleTests {
    private static func message(_ model: String) -> [UInt8] {
        GRPCFrame.firstMessage(of: Fleet.loadBody(model)) ?? []
    }

    @Test func `a hundred loads at once are one call for each replica`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, .notLoaded) { fleet in
            for worker in fleet.workers { worker.holdLoads() }
            let models = fleet.models
            await withTaskGroup(of: ModelLifecycle.Report.self) { group in
                for _ in 0..<100 { group.addTask { await models.load(Self.message("m")) } }
                group.addTask {
                    try? await until("every worker has a load") {
                        fleet.workers.allSatisfy { $0.calls("LoadModel").count == 1 }
                    }
                    for worker in fleet.workers { worker.releaseLoads() }
                    return .success("loaded on 3 of 3 replicas")
                }
                for await report in group { #expect(report == .success("loaded on 3 of 3 replicas")) }
            }
            #expect(fleet.workers.allSatisfy { $0.calls("LoadModel").count == 1 && $0.forbiddenLoads == 0 })
            // Held already: no call at all.
            #expect(await models.load(Self.message("m")) == .success("loaded on 3 of 3 replicas"))
            #expect(fleet.workers.allSatisfy { $0.calls("LoadModel").count == 1 })
        }
    }

    @Test func `loads with other options wait for the one under way, and each is one call`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            fleet[0].holdLoads()
            let models = fleet.models
            await withTaskGroup(of: ModelLifecycle.Report.self) { group in
                for number in 0..<30 { group.addTask { await models.load(Self.message("m\(number % 3)")) } }
                try? await until("the worker has a load") { !fleet[0].calls("LoadModel").isEmpty }
                #expect(fleet[0].calls("LoadModel").count == 1)
                fleet[0].releaseLoads()
                for await report in group { #expect(report == .success("loaded on 1 of 1 replicas")) }
            }
            // Three kinds at least; a kind that was replaced meanwhile may be asked for again.
            #expect((3...30).contains(fleet[0].calls("LoadModel").count) && fleet[0].forbiddenLoads == 0)
            #expect(Set(fleet[0].calls("LoadModel").map(\.body)).count == 3)
        }
    }

    @Test func `a replica is loaded when its last stream has ended, and gets none meanwhile`() async throws {
        try await Fleet.run(.neverAnswers, .healthy) { fleet in
            let caller = try await fleet.caller()
            let call = await caller.start("/backend.Backend/Predict")
            await call.send(Fleet.predictBody("a"))
            await call.end()
            try await until("the first worker has a call") { fleet[0].calls().count == 1 }
            async let report = fleet.models.load(Self.message("m"))
            try await until("the other one is loaded") {
                if case .loaded = fleet.cluster.model(of: fleet.replica(1)) { true } else { false }
            }
            for _ in 0..<5 { #expect(try await fleet.predict("b").status == .ok) }
            #expect(fleet[0].calls().count == 1 && fleet[0].calls("LoadModel").isEmpty)
            await call.cancel()
            #expect(await report == .success("loaded on 2 of 2 replicas"))
            #expect(fleet.workers.allSatisfy { $0.forbiddenLoads == 0 })
        }
    }

    @Test func `streams that do not end in time make the load fail and leave the replica as it was`() async throws {
        try await Fleet.run(.neverAnswers, plan: { $0.cluster.model.drainTimeoutMs = 20 }) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/Predict")
            await call.send(Fleet.predictBody("a"))
            await call.end()
            try await until("the worker has the call") { fleet[0].calls().count == 1 }
            guard case .failure(.aborted, _) = await fleet.models.load(Self.message("m")) else {
                Issue.record("a load at a busy worker")
                return
            }
            #expect(fleet[0].calls("LoadModel").isEmpty && fleet.cluster.model(of: fleet.replica(0)) == .unasked)
            await call.cancel()
        }
    }

    @Test func `a load that fails everywhere says where and why, and one success is a success`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, plan: { $0.cluster.model.retryMs = 0 }) { fleet in
            for worker in fleet.workers { worker.failLoads(true) }
            let names = fleet.workers.map(\.endpoint.description)
            #expect(
                await fleet.models.load(Self.message("m"))
                    == .failure(.internal, "[\(names[0])]: out of memory; [\(names[1])]: out of memory"))
            #expect(fleet.cluster.shortage() == .notLoaded)
            let refused = try await fleet.predict("a")
            #expect(refused.status == .failedPrecondition && refused.statusText?.hasPrefix("Model not loaded") == true)
            fleet[1].failLoads(false)
            #expect(
                await fleet.models.load(Self.message("m"))
                    == .success("loaded on 1 of 2 replicas; [\(names[0])]: out of memory"))
            let served = try await fleet.predict("a")
            #expect(served.status == .ok && fleet.position(of: served) == 1)
        }
    }

    @Test func `who asks again in the pause after a failure hears of it, and of nothing new`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            fleet[0].failLoads(true)
            _ = await fleet.models.load(Self.message("m"))
            fleet[0].failLoads(false)
            for _ in 0..<5 {
                guard case .failure(.internal, let text) = await fleet.models.load(Self.message("m")) else {
                    Issue.record("a load in the pause")
                    return
                }
                #expect(text.contains("out of memory (tried again in "))
            }
            #expect(fleet[0].calls("LoadModel").count == 1)
            // Other options are another matter.
            #expect(await fleet.models.load(Self.message("n")) == .success("loaded on 1 of 1 replicas"))
        }
    }

    @Test(arguments: [(ModelSettings.SuccessRule.any, true), (.quorum, false), (.all, false)])
    func `how many replicas must load is a setting`(rule: ModelSettings.SuccessRule, succeeds: Bool) async throws {
        try await Fleet.run(
            .notLoaded, .notLoaded, .notLoaded, plan: { $0.cluster.model.successRule = rule }
        ) { fleet in
            for worker in fleet.workers[1...] { worker.failLoads(true) }
            switch await fleet.models.load(Self.message("m")) {
            case .success(let text): #expect(succeeds && text.hasPrefix("loaded on 1 of 3 replicas; ["))
            case .failure(let code, let text):
                #expect(!succeeds && code == .internal && text.components(separatedBy: "out of memory").count == 3)
            case .malformed: Issue.record("malformed")
            }
        }
    }

    @Test func `replicas that serve one model are given another in two halves`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, .notLoaded, .notLoaded) { fleet in
            _ = await fleet.models.load(Self.message("old"))
            for worker in fleet.workers { worker.holdLoads() }
            async let report = fleet.models.load(Self.message("new"))
            try await until("one half loads") { fleet.workers.count { $0.calls("LoadModel").count == 2 } == 2 }
            for number in 0..<8 {
                let result = try await fleet.predict("prompt \(number)")
                #expect(result.status == .ok && (fleet.position(of: result) ?? 0) >= 2, "the others go on serving")
            }
            for worker in fleet.workers { worker.releaseLoads() }
            #expect(await report == .success("loaded on 4 of 4 replicas"))
            #expect(fleet.workers.allSatisfy { $0.calls("LoadModel").count == 2 && $0.forbiddenLoads == 0 })
        }
    }

    @Test func `a new model that cannot be loaded costs no replica its old one, in the end`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, plan: { $0.probes = true }) { fleet in
            _ = await fleet.models.load(Self.message("old"))
            for worker in fleet.workers { worker.failLoads(true) }
            guard case .failure(.internal, _) = await fleet.models.load(Self.message("new")) else {
                Issue.record("a failed load was a success")
                return
            }
            #expect(fleet[0].calls("LoadModel").count == 2 && fleet[1].calls("LoadModel").count == 1)
            for worker in fleet.workers { worker.failLoads(false) }
            try await until("the first one has its old model back") {
                fleet.cluster.rows().allSatisfy { $0.availability == .available }
            }
            #expect(fleet[0].calls("LoadModel").last?.body == Fleet.loadBody("old"))
        }
    }

    @Test func `a replica that was lost from sight is asked before a load is sent`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            _ = await fleet.models.load(Self.message("m"))
            await fleet[0].cut()
            try await until("the loss is known") { fleet.cluster.model(of: fleet.replica(0)) == .unchecked }
            fleet.cluster.probed(fleet.replica(0), .alive, latencyNs: 1)
            #expect(await fleet.models.load(Self.message("m")) == .success("loaded on 1 of 1 replicas"))
            #expect(fleet[0].calls("LoadModel").count == 1 && fleet[0].calls("TokenizeString").count == 1)
        }
    }

    @Test func `the options say how many slots a replica has`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            #expect(fleet.replica(0).slots == 0)
            var options = ModelOptions()
            options.model = Array("m".utf8)
            options.options = [Array("parallel:6".utf8)]
            _ = await fleet.models.load(options.encoded())
            #expect(fleet.replica(0).slots == 6)
            _ = await fleet.models.load(Self.message("n"))
            #expect(fleet.replica(0).slots == 0)
        }
    }

    @Test func `remembered options are what replicas are asked about, and loaded where they are missing`() async throws
    {
        try await Fleet.run(.notLoaded, .healthy) { fleet in
            let memory = ScriptedMemory(Self.message("m"))
            let models = ModelLifecycle(cluster: fleet.cluster, loops: fleet.upstream, memory: memory)
            for replica in fleet.cluster.replicas {
                #expect(fleet.cluster.model(of: replica) == .unchecked)
                await models.restore(replica)
            }
            #expect(fleet[0].calls("LoadModel").count == 1, "it had none")
            #expect(fleet[1].calls("LoadModel").isEmpty, "it kept its model while the proxy was away")
            #expect(fleet.cluster.rows().allSatisfy { $0.availability == .available })
            _ = await models.load(Self.message("n"))
            #expect(memory.kept == Self.message("n"))
            _ = await models.free()
            #expect(memory.kept == nil)
        }
    }

    @Test func `freeing all of them waits for their streams`() async throws {
        try await Fleet.run(.neverAnswers) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/Predict")
            await call.send(Fleet.predictBody("a"))
            await call.end()
            try await until("the worker has the call") { fleet[0].calls().count == 1 }
            async let report = fleet.models.free(drains: true)
            try await until("it takes nothing new") { fleet.cluster.rows()[0].availability == .notLoaded }
            #expect(fleet[0].calls("Free").isEmpty)
            await call.cancel()
            #expect(await report == .success("freed"))
            #expect(fleet[0].calls("Free").count == 1)
        }
    }

    @Test func `a failed load is not tried again by itself before its pause is over`() async throws {
        try await Fleet.run(.notLoaded, plan: { $0.probes = true }) { fleet in
            fleet[0].failLoads(true)
            _ = await fleet.models.load(Self.message("m"))
            let probes = fleet[0].calls("Health").count
            try await until("ten more probes") { fleet[0].calls("Health").count > probes + 10 }
            #expect(fleet[0].calls("LoadModel").count == 1)
        }
    }

    @Test func `a replica that comes back without its model gets it before it gets streams`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, plan: { $0.probes = true }) { fleet in
            _ = await fleet.models.load(Self.message("m"))
            fleet[0].loseModel()
            await fleet[0].cut()
            for number in 0..<50 {
                let result = try await fleet.predict("prompt \(number)")
                #expect(result.status == .ok, "no caller hears of it")
            }
            try await until("it was loaded again") { fleet[0].calls("LoadModel").count == 2 }
            try await until("it is back") { fleet.cluster.rows()[0].availability == .available }
            #expect(
                fleet[0].calls("LoadModel").last?.body == Fleet.loadBody("m") && fleet[1].calls("LoadModel").count == 1)
        }
    }

    @Test func `a replica that only lost a connection is asked and keeps its model`() async throws {
        try await Fleet.run(.notLoaded, plan: { $0.probes = true }) { fleet in
            _ = await fleet.models.load(Self.message("m"))
            await fleet[0].cut()
            try await until("it was asked") { !fleet[0].calls("TokenizeString").isEmpty }
            try await until("it is back") { fleet.cluster.rows()[0].availability == .available }
            #expect(fleet[0].calls("LoadModel").count == 1)
        }
    }

    @Test func `"Model not loaded" sends the stream elsewhere and the model back`() async throws {
        try await Fleet.run(.notLoaded, .notLoaded, plan: { $0.probes = true }) { fleet in
            _ = await fleet.models.load(Self.message("m"))
            fleet[0].loseModel()
            for number in 0..<4 {
                let result = try await fleet.predict("prompt \(number)")
                #expect(result.status == .ok)
            }
            try await until("it was loaded again") { fleet[0].calls("LoadModel").count == 2 }
        }
    }

    @Test func `without remembered options the worker's own words are passed on`() async throws {
        try await Fleet.run(.notLoaded, .healthy) { fleet in
            let result = try await fleet.predict("a")
            #expect(result.status == .failedPrecondition && fleet.position(of: result) == 0)
        }
    }

    @Test func `what is no ModelOptions is malformed and changes nothing`() async throws {
        try await Fleet.run(.healthy) { fleet in
            #expect(await fleet.models.load([0xFF, 0xFF]) == .malformed)
            #expect(fleet.cluster.model(of: fleet.replica(0)) == .unasked && fleet[0].calls("LoadModel").isEmpty)
        }
    }
}

/// Remembers in memory.
final class ScriptedMemory: ModelMemory {
    private let state: Mutex<[UInt8]?>

    init(_ options: [UInt8]?) { self.state = Mutex(options) }

    var kept: [UInt8]? { self.state.withLock { $0 } }
    func recall() -> [UInt8]? { self.kept }
    func remember(_ options: [UInt8]?) { self.state.withLock { $0 = options } }
}
