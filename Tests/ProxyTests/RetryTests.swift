import Proxy
import Routing
import TestSupport
import Testing
import Transport
import Upstream
import Wire

/// What happens to a stream whose replica fails: elsewhere before the first byte of an answer, ABORTED after it.
@Suite struct RetryTests {
    static let failuresBeforeAnswer: [(WorkerBehavior, String)] = [
        (.refusing, "connect_failed"), (.refusesStream, "stream_refused"),
        (.closesSocket(.onRequest), "connection_lost"), (.closesSocket(.beforeHeaders), "connection_lost"),
        (.goAway, "stream_refused"),
    ]

    @Test(arguments: failuresBeforeAnswer.indices)
    func `a stream that fails at one replica before its answer is served by another`(failure: Int) async throws {
        let (behavior, cause) = Self.failuresBeforeAnswer[failure]
        try await Fleet.run(behavior, .healthy) { fleet in
            let result = try await fleet.predict("hello", headers: [("x-homing-explain", "1")])
            #expect(result.status == .ok && fleet.position(of: result) == 1)
            #expect(result.body == Fleet.predictBody("hello"))
            #expect(result.header("x-homing-retries") == "1")
            #expect(fleet.metric("homing_retries_total{cause=\"\(cause)\",cluster=\"main\"}") == 1)
        }
    }

    @Test(arguments: failuresBeforeAnswer.indices)
    func `a request of many pieces is sent again whole`(failure: Int) async throws {
        try await Fleet.run(Self.failuresBeforeAnswer[failure].0, .healthy) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/Predict")
            let body = Fleet.predictBody(String(repeating: "p", count: 300_000))
            for start in stride(from: 0, to: body.count, by: 10_000) {
                await call.send(Array(body[start..<min(body.count, start + 10_000)]))
            }
            await call.end()
            let result = try await call.result()
            #expect(result.status == .ok && result.body == body && fleet.position(of: result) == 1)
        }
    }

    @Test func `two replicas that fail leave it to the third`() async throws {
        try await Fleet.run(.refusesStream, .closesSocket(.beforeHeaders), .healthy) { fleet in
            let result = try await fleet.predict("hello", headers: [("x-homing-explain", "1")])
            #expect(result.status == .ok && fleet.position(of: result) == 2)
            #expect(result.header("x-homing-retries") == "2")
        }
    }

    @Test func `no more replicas are tried than the settings say`() async throws {
        try await Fleet.run(
            .refusesStream, .refusesStream, .refusesStream, .healthy, plan: { $0.cluster.connections.maxRetries = 1 }
        ) { fleet in
            let result = try await fleet.predict("hello")
            #expect(result.status == .aborted)
            #expect(fleet.workers.count { $0.calls().count == 1 } == 2)
        }
    }

    @Test func `losing the replica after the first byte ends in ABORTED with what it had sent`() async throws {
        let part = GRPCFrame.framed(Array("part".utf8))
        try await Fleet.run(.closesSocket(.midStream(part)), .healthy) { fleet in
            let result = try await fleet.predict("hello")
            #expect(result.closure == .completed && result.status == .aborted)
            #expect(result.body == part && fleet.position(of: result) == 0)
            #expect(fleet[1].calls().isEmpty)
            let text = try #require(result.statusText)
            for word in ["connection refused", "connection reset", "no such host"] {
                #expect(!text.lowercased().contains(word))
            }
        }
    }

    @Test func `a reset is not repeated elsewhere and keeps its meaning`() async throws {
        let part = GRPCFrame.framed([1])
        for (code, status) in [
            (HTTP2ErrorCode.cancel, GRPCStatusCode.cancelled), (.internalError, .internal),
            (.enhanceYourCalm, .resourceExhausted), (.inadequateSecurity, .permissionDenied),
        ] {
            try await Fleet.run(.resets(code), .healthy) { fleet in
                let result = try await fleet.predict("hello")
                #expect(result.status == status && result.isHeadersOnly && fleet[1].calls().isEmpty)
            }
            try await Fleet.run(.resetsMidStream(part, code), .healthy) { fleet in
                let result = try await fleet.predict("hello")
                #expect(result.status == status && result.body == part && fleet[1].calls().isEmpty)
            }
        }
    }

    @Test func `UNAVAILABLE is said only when no replica is left`() async throws {
        try await Fleet.run(.refusing, .refusing) { fleet in
            let first = try await fleet.predict("hello")
            #expect(first.status == .unavailable && first.statusText == "no replica can be reached")
            // Known by now; nothing is tried.
            let second = try await fleet.predict("hello")
            #expect(second.status == .unavailable)
            #expect(fleet.metric("homing_no_replica_total{cluster=\"main\"}") ?? 0 >= 1)
        }
        try await Fleet.run(.closesSocket(.beforeHeaders)) { fleet in
            let result = try await fleet.predict("hello")
            #expect(result.status == .aborted, "the replica may be back already")
        }
    }

    @Test func `a call that changes something is repeated only when it was certainly not begun`() async throws {
        try await Fleet.run(.closesSocket(.beforeHeaders), .healthy) { fleet in
            let result = try await fleet.call("ExportModel", GRPCFrame.framed([1]))
            #expect(result.status == .aborted && fleet[1].calls().isEmpty)
        }
        try await Fleet.run(.refusesStream, .healthy) { fleet in
            let result = try await fleet.call("ExportModel", GRPCFrame.framed([1]))
            #expect(result.status == .ok && fleet.position(of: result) == 1)
        }
    }

    @Test func `a request that is too large to keep stays with its replica`() async throws {
        try await Fleet.run(.closesSocket(.beforeHeaders), .healthy, plan: { $0.proxy.maxHeldBytes = 100_000 }) {
            fleet in
            let result = try await fleet.call("Embedding", GRPCFrame.framed([UInt8](repeating: 1, count: 200_000)))
            #expect(result.status == .aborted && fleet[1].calls().isEmpty)
        }
    }

    @Test func `bytes that are sent again open the caller's window once`() async throws {
        let message = GRPCFrame.framed([UInt8](repeating: 1, count: 3 * 1024 * 1024))
        try await Fleet.run(.closesSocket(.afterBytes(200_000)), .neverReads) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/Embedding")
            await call.send(message)
            try await until("the second worker's window is full") {
                fleet[1].calls().first?.body.count == 256 * 1024
            }
            _ = try await fleet.call("Health", GRPCFrame.framed([]))
            // What the second worker took, and one window of the proxy's; what the first one took is part of it.
            let taken = await message.count - call.unsentBytes()
            #expect(taken <= 2 * 256 * 1024)
            await call.cancel()
        }
    }

    @Test func `a replica without its model is replaced under a caller that still speaks`() async throws {
        try await Fleet.run(.echoing, .echoing) { fleet in
            _ = await fleet.models.load(Array(Fleet.loadBody("m").dropFirst(5)))
            fleet[0].loseModel()
            let call = try await fleet.caller().start("/backend.Backend/Forward")
            await call.send(GRPCFrame.framed([1]))
            try await until("the other one answers") { await call.soFar().body == GRPCFrame.framed([1]) }
            #expect(fleet[0].calls().count == 1 && fleet[1].calls().count == 1)
            await call.end()
            #expect(try await call.result().status == .ok)
        }
    }

    @Test func `a caller that leaves while its replica is being replaced leaves nothing behind`() async throws {
        for behavior in [WorkerBehavior.refusing, .refusesStream, .closesSocket(.onRequest), .goAway] {
            try await Fleet.run(behavior, .neverAnswers) { fleet in
                let caller = try await fleet.caller()
                for _ in 0..<10 {
                    let call = await caller.start("/backend.Backend/Predict")
                    await call.send(Fleet.predictBody("a"))
                    await call.end()
                    await call.cancel()
                }
            }
        }
    }

    @Test func `a connection that is lost under many streams is one eviction and none of them is lost`() async throws {
        try await Fleet.run(.neverAnswers, .healthy) { fleet in
            let caller = try await fleet.caller()
            var calls: [OpenCall] = []
            for number in 0..<20 {
                let call = await caller.start("/backend.Backend/Predict")
                await call.send(Fleet.predictBody("prompt \(number)"))
                await call.end()
                calls.append(call)
            }
            try await until("half of them wait at the silent worker") {
                fleet[0].calls().count { $0.requestEnded } + fleet[1].calls().count == 20
            }
            let waiting = fleet[0].calls().count
            #expect(waiting > 0)
            await fleet[0].cut()
            for call in calls { #expect(try await call.result().status == .ok) }
            #expect(fleet[1].calls().count == 20)
            let name = fleet[0].endpoint.description
            let evictions = fleet.metric(
                "homing_evictions_total{cause=\"connection_lost\",cluster=\"main\",replica=\"\(name)\"}")
            #expect(evictions == 1)
        }
    }
}
