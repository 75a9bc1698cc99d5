import Proxy
import Routing
import TestSupport
import Testing
import Transport
import Wire

/// What goes through unchanged. Each test's fleet ends by asserting that no lease, stream or byte is left.
@Suite struct RelayTests {
    @Test(arguments: ["/backend.Backend/Predict", "/backend.Backend/Embedding", "/other.Service/Unknown", "/x"])
    func `headers, messages and trailers of every method pass both ways byte for byte`(path: String) async throws {
        let fields: ScriptedAnswer.Fields = [
            ("x-plain", "one"), ("x-twice", "a"), ("x-twice", "b"), ("x-empty", ""), ("token-bin", "AAH/gA=="),
        ]
        let trailers: ScriptedAnswer.Fields = [
            ("grpc-status", "5"), ("grpc-message", "not%20here%E2%82%AC"), ("details-bin", "CAUSBG5vbmU="), ("t", "1"),
            ("t", "2"),
        ]
        let answer = ScriptedAnswer(body: GRPCFrame.framed([9, 0, 255]), headers: fields, trailers: trailers)
        try await Fleet.run(.answers(answer)) { fleet in
            let body = GRPCFrame.framed([1, 2, 3]) + GRPCFrame.framed([]) + GRPCFrame.framed([0, 200])
            let result = try await fleet.caller().call(path, body, headers: fields)
            #expect(result.closure == .completed)
            #expect(result.body == answer.body)
            #expect(result.trailers.map { "\($0)" } == trailers.map { "\($0)" })
            let sent = answer.headers + [("x-worker", fleet[0].endpoint.description)]
            #expect(result.headers.map { "\($0)" } == sent.map { "\($0)" })
            let call = try #require(fleet[0].calls().first)
            #expect(call.body == body && call.requestEnded && call.path == path)
            let expected: ScriptedAnswer.Fields = [
                (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "homing.test"),
                ("content-type", "application/grpc"), ("te", "trailers"),
            ]
            #expect(call.headers.map { "\($0)" } == (expected + fields).map { "\($0)" })
        }
    }

    @Test func `a message of 5 MiB passes both ways`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let message = (0..<5 * 1024 * 1024).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            let result = try await fleet.call("Embedding", GRPCFrame.framed(message))
            #expect(result.status == .ok && result.body == GRPCFrame.framed(message))
            let prompt = String(repeating: "long ", count: 1_000_000)
            let predicted = try await fleet.predict(prompt)
            #expect(predicted.status == .ok && predicted.body == Fleet.predictBody(prompt))
        }
    }

    @Test func `pieces of both sides pass as they come, in a stream that stays open`() async throws {
        try await Fleet.run(.echoing) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/AudioTransformStream")
            var sent: [UInt8] = []
            for number in 0..<20 {
                let piece = GRPCFrame.framed([UInt8](repeating: UInt8(number), count: number * 100))
                sent += piece
                await call.send(piece)
                let expected = sent
                try await until("piece \(number) has come back") { await call.soFar().body == expected }
            }
            await call.end()
            let result = try await call.result()
            #expect(result.status == .ok && result.body == sent && result.closure == .completed)
        }
    }

    @Test func `a request of headers alone is relayed as one`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let call = try await fleet.caller().start("/other.Service/Nothing", headersOnly: true)
            let result = try await call.result()
            #expect(result.status == .ok && result.body.isEmpty)
            #expect(fleet[0].calls().first?.requestEnded == true)
        }
    }

    @Test func `a replica's own status passes through untouched, with its body or without`() async throws {
        try await Fleet.run(.trailersOnly(.unavailable, "the%20worker%27s own"), .healthy) { fleet in
            let result = try await fleet.predict("a")
            #expect(result.isHeadersOnly && result.status == .unavailable)
            #expect(result.statusText == "the%20worker%27s own")
            #expect(fleet.position(of: result) == 0)
        }
    }

    @Test func `an answer without a status is passed on as it is`() async throws {
        try await Fleet.run(.noStatus) { fleet in
            let result = try await fleet.predict("a")
            #expect(result.closure == .completed && result.status == nil && result.body == Fleet.predictBody("a"))
        }
    }

    @Test func `a caller hears an answer that comes before its request has ended, and need not finish the request`()
        async throws
    {
        try await Fleet.run(.earlyAnswer) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/AudioTransformStream")
            await call.send(GRPCFrame.framed([1]))
            try await until("the answer is here") { await call.soFar().status == .ok }
            #expect(await call.soFar().body == GRPCFrame.framed(Array("early".utf8)))
            // RST_STREAM(NO_ERROR) after the answer: the call is complete, the rest of the request is not wanted.
            #expect(try await call.result().closure == .completed)
        }
    }

    @Test func `a caller that cancels ends the worker's stream`() async throws {
        try await Fleet.run(.neverAnswers) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/PredictStream")
            await call.send(Fleet.predictBody("tell me"))
            await call.end()
            try await until("the worker has the call") { fleet[0].calls().first?.requestEnded == true }
            #expect(fleet.leases == 1)
            await call.cancel()
            try await until("the worker's stream is over") { fleet[0].calls().first?.closure == .reset(.cancel) }
        }
    }

    @Test func `a caller whose connection is cut ends the worker's streams`() async throws {
        try await Fleet.run(.echoing) { fleet in
            let caller = try await fleet.caller()
            for _ in 0..<5 { await caller.start("/backend.Backend/Forward").send(GRPCFrame.framed([1])) }
            try await until("the worker has five calls") { fleet[0].calls().count { $0.body.count == 6 } == 5 }
            await caller.close()
            try await until("they are over") { fleet[0].calls().allSatisfy { $0.closure == .reset(.cancel) } }
        }
    }

    @Test func `a caller that does not read costs no more than the windows`() async throws {
        let body = GRPCFrame.framed([UInt8](repeating: 7, count: 8 * 1024 * 1024))
        try await Fleet.run(.answers(ScriptedAnswer(body: body))) { fleet in
            let caller = try await fleet.caller(window: 64 * 1024)
            let call = await caller.start("/backend.Backend/PredictStream", reads: false)
            await call.send(Fleet.predictBody("a"))
            await call.end()
            // One window at the caller's, what is left of the replica's in the proxy, the rest at the worker.
            try await until("the windows are full") {
                let heard = await call.soFar().body.count
                return heard == 64 * 1024 && fleet.bufferedBytes == 192 * 1024
            }
            // Another call on the same connection is not held up.
            let other = try await caller.call("/backend.Backend/Health", GRPCFrame.framed([]))
            #expect(other.status == .ok)
            #expect(fleet.bufferedBytes <= 256 * 1024)
            await call.read()
            let result = try await call.result()
            #expect(result.body == body && result.status == .ok)
        }
    }

    @Test func `a worker that does not read costs no more than the windows and what is kept for a retry`() async throws
    {
        try await Fleet.run(.neverReads, plan: { $0.proxy.maxHeldBytes = 100_000 }) { fleet in
            let caller = try await fleet.caller()
            let call = await caller.start("/backend.Backend/Forward")
            await call.send(GRPCFrame.framed([UInt8](repeating: 7, count: 8 * 1024 * 1024)))
            try await until("the worker's window is full") { fleet[0].calls().first?.body.count == 256 * 1024 }
            let other = try await caller.call("/backend.Backend/Health", GRPCFrame.framed([]))
            #expect(other.status == .ok)
            #expect(fleet.bufferedBytes <= 256 * 1024 + 100_000)
            #expect(await call.unsentBytes() >= 7 * 1024 * 1024)
            await call.cancel()
            try await until("the worker's stream is over") { fleet[0].calls().first?.closure != nil }
        }
    }

    @Test func `many calls at once on one connection each get their own answer`() async throws {
        try await Fleet.run(.healthy, .healthy, .healthy, plan: { $0.loops = 2 }) { fleet in
            let caller = try await fleet.caller()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let body = Fleet.predictBody("prompt \(number)")
                        let result = try await caller.call("/backend.Backend/Predict", body)
                        #expect(result.body == body && result.status == .ok)
                    }
                }
                try await group.waitForAll()
            }
            #expect(fleet.workers.reduce(0) { $0 + $1.calls().count } == 200)
        }
    }

    @Test func `every stream writes one line to the access log`() async throws {
        try await Fleet.run(.healthy) { fleet in
            for _ in 0..<3 { _ = try await fleet.predict("a") }
            _ = try await fleet.call("Health", GRPCFrame.framed([]))
            try await until("four lines are written") { fleet.accessLog.lines.count == 4 }
            #expect(fleet.accessLog.lines.count { $0.contains("/backend.Backend/Predict") } == 3)
        }
    }
}
