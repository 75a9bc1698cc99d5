import Proxy
import Routing
import Telemetry
import TestSupport
import Testing
import Upstream
import Wire

/// What the proxy says itself.
@Suite struct LocalReplyTests {
    @Test func `every cause has a gRPC status, and only callers that do not speak gRPC get another HTTP status`() {
        for cause in LocalReply.Cause.allCases {
            let reply = LocalReply(cause)
            #expect(reply.status.code != .ok && !reply.status.text.isEmpty)
            let isForOthers = cause == .methodNotAllowed || cause == .unsupportedMediaType
            #expect((reply.httpStatus != 200) == isForOthers)
            // UNAVAILABLE, and these words, make LocalAI unload its model.
            #expect((reply.status.code == .unavailable) == (cause == .noReplica))
            for word in ["connection refused", "connection reset", "no such host"] {
                #expect(!reply.status.text.lowercased().contains(word))
            }
        }
    }

    @Test func `a request that is not gRPC hears so in HTTP`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let caller = try await fleet.caller()
            let get = try await caller.call("/", [], method: "GET")
            #expect(get.httpStatus == "405" && get.closure == .completed)
            for type in [nil, "text/plain", "application/grpc-web", "application/grpcx"] {
                let other = try await caller.call("/backend.Backend/Predict", [1], contentType: type)
                #expect(other.httpStatus == "415" && other.closure == .completed, "content type \(type ?? "none")")
            }
            for type in ["application/grpc+proto", "application/grpc;charset=utf-8"] {
                let grpc = try await caller.call(
                    "/backend.Backend/Predict", Fleet.predictBody("a"), contentType: type)
                #expect(grpc.status == .ok, "content type \(type)")
            }
            #expect(fleet.metric("homing_local_replies_total{cause=\"unsupported_media_type\"}") == 4)
        }
    }

    @Test func `a request that ends inside its message is an error of the caller's call alone`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let caller = try await fleet.caller()
            let whole = Fleet.predictBody("hello")
            for length in 0..<whole.count {
                let result = try await caller.call("/backend.Backend/Predict", Array(whole.prefix(length)))
                #expect(result.status == .internal, "\(length) bytes")
            }
            let result = try await caller.call("/backend.Backend/Predict", whole)
            #expect(result.status == .ok)
            #expect(fleet[0].calls().count == 1)
        }
    }

    @Test func `a flag that does not exist is refused, and a compressed message is relayed without a hint`()
        async throws
    {
        try await Fleet.run(.healthy) { fleet in
            let caller = try await fleet.caller()
            let broken = try await caller.call("/backend.Backend/Predict", [7, 0, 0, 0, 1, 1])
            #expect(broken.status == .internal)
            let compressed = GRPCFrame.framed([1, 2, 3], isCompressed: true)
            let relayed = try await caller.call("/backend.Backend/Predict", compressed)
            #expect(relayed.status == .ok && relayed.body == compressed)
            let invalid = GRPCFrame.framed([0xFF, 0xFF, 0xFF, 0xFF])
            let passed = try await caller.call("/backend.Backend/Predict", invalid)
            #expect(passed.status == .ok && passed.body == invalid)
            #expect(fleet.metric("homing_undecoded_hints_total") == 2)
        }
    }

    @Test func `a message that is longer than what is held goes on without a hint`() async throws {
        try await Fleet.run(.healthy, plan: { $0.proxy.maxHeldBytes = 50_000 }) { fleet in
            let body = Fleet.predictBody(String(repeating: "x", count: 400_000))
            let result = try await fleet.call("Predict", body)
            #expect(result.status == .ok && result.body == body)
            #expect(fleet.metric("homing_undecoded_hints_total") == 1)
            #expect(fleet.metric("homing_picks_total{cluster=\"main\",reason=\"cold\"}") ?? 0 == 0)
        }
    }

    @Test func `a length prefix of 4 GiB holds nothing`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let call = try await fleet.caller().start("/backend.Backend/Predict")
            await call.send([0, 255, 255, 255, 255, 1, 2, 3])
            try await until("the worker has what there is") { fleet[0].calls().first?.body.count == 8 }
            #expect(fleet.runtime.metrics.heldBytes.value == 0)
            await call.cancel()
        }
    }

    @Test func `what the proxy answers itself has a bound, before and after its first message`() async throws {
        try await Fleet.run(.healthy, plan: { $0.proxy.maxHeldBytes = 50_000 }) { fleet in
            let caller = try await fleet.caller()
            for method in ["Health", "LoadModel", "Free"] {
                let path = "/backend.Backend/\(method)"
                let large = GRPCFrame.framed([UInt8](repeating: 0, count: 300_000))
                let result = try await caller.call(path, large)
                #expect(result.status == .resourceExhausted, "\(method)")
                let more = try await caller.call(path, GRPCFrame.framed([]) + large)
                #expect(more.status == .resourceExhausted, "\(method) with a second message")
            }
        }
    }

    @Test func `a model that no cluster serves is NOT_FOUND, and the one that serves it gets the call`() async throws {
        try await Fleet.run(.healthy, plan: { $0.cluster.models = ["a", "b"] }) { fleet in
            for method in ["Predict", "TokenizeString"] {
                let known = try await fleet.call(method, Fleet.predictBody("x", model: "b"))
                #expect(known.status == .ok)
                let unknown = try await fleet.call(method, Fleet.predictBody("x", model: "c"))
                #expect(unknown.status == .notFound)
                #expect(unknown.statusText?.hasPrefix("model identity mismatch") == true)
                let unnamed = try await fleet.call(method, Fleet.predictBody("x"))
                #expect(unnamed.status == .ok)
            }
        }
    }

    @Test func `Health is OK when a replica answers, whatever the workers do with calls`() async throws {
        try await Fleet.run(.neverAnswers) { fleet in
            let result = try await fleet.call("Health", GRPCFrame.framed([]))
            #expect(result.status == .ok && result.body == GRPCFrame.framed(Reply.healthy.encoded()))
            #expect(fleet[0].calls("Health").isEmpty)
            fleet.cluster.probed(fleet.replica(0), .unreachable(refused: true), latencyNs: 1)
            let out = try await fleet.call("Health", GRPCFrame.framed([]))
            #expect(out.status == .unavailable)
            fleet.cluster.probed(fleet.replica(0), .alive, latencyNs: 1)
            let back = try await fleet.call("Health", GRPCFrame.framed([]))
            #expect(back.status == .ok)
        }
    }

    @Test func `Free is answered and keeps the model, or is sent on`() async throws {
        try await Fleet.run(.healthy, .healthy) { fleet in
            let result = try await fleet.call("Free", GRPCFrame.framed([]))
            let answer = try BackendResult(decoding: #require(GRPCFrame.firstMessage(of: result.body)))
            #expect(answer.success && fleet[0].calls("Free").isEmpty)
        }
        try await Fleet.run(.healthy, .healthy, plan: { $0.cluster.model.freeAction = .forward }) { fleet in
            let result = try await fleet.call("Free", GRPCFrame.framed([]))
            let answer = try BackendResult(decoding: #require(GRPCFrame.firstMessage(of: result.body)))
            #expect(answer.success)
            #expect(fleet.workers.allSatisfy { $0.calls("Free").count == 1 && !$0.isLoaded })
        }
    }

    @Test func `LoadModel that is no ModelOptions is INVALID_ARGUMENT, and reaches no worker`() async throws {
        try await Fleet.run(.healthy) { fleet in
            for body in [GRPCFrame.framed([0xFF, 0xFF, 0xFF]), [0, 0, 0, 0, 9, 1], []] {
                let result = try await fleet.call("LoadModel", body)
                #expect(result.status == .invalidArgument || result.status == .internal)
            }
            #expect(fleet[0].calls("LoadModel").isEmpty)
        }
    }

    @Test func `a caller is told which replica served it and why, when it asks`() async throws {
        try await Fleet.run(.healthy, .healthy) { fleet in
            let prompt = String(repeating: "the same words again ", count: 60)
            let cold = try await fleet.predict(prompt, headers: [("x-homing-explain", "1")])
            #expect(cold.header("x-homing-replica") == cold.worker)
            #expect(cold.header("x-homing-reason") == "cold")
            #expect(cold.header("x-homing-matched-bytes") == "0")
            #expect(cold.header("x-homing-prompt-bytes") == "\(prompt.utf8.count)")
            let warm = try await fleet.predict(prompt, headers: [("x-homing-explain", "1")])
            #expect(warm.header("x-homing-reason") == "prefix_match" && warm.worker == cold.worker)
            #expect(warm.header("x-homing-matched-bytes") == "\(prompt.utf8.count)")
            let silent = try await fleet.predict(prompt)
            #expect(silent.header("x-homing-replica") == nil && silent.header("x-homing-reason") == nil)
        }
        try await Fleet.run(.healthy, plan: { $0.proxy.explain = .always }) { fleet in
            let result = try await fleet.predict("a")
            #expect(result.header("x-homing-reason") == "only_candidate")
        }
        try await Fleet.run(.healthy, plan: { $0.proxy.explain = .never }) { fleet in
            let result = try await fleet.predict("a", headers: [("x-homing-explain", "1")])
            #expect(result.header("x-homing-reason") == nil)
        }
    }

    @Test func `a conversation stays where its turns before are`() async throws {
        try await Fleet.run(.healthy, .healthy, .healthy) { fleet in
            var talks = ["first ", "second ", "third "].map { String(repeating: $0, count: 100) }
            var homes: [String?] = [nil, nil, nil]
            for turn in 0..<4 {
                for talk in talks.indices {
                    let result = try await fleet.predict(talks[talk])
                    if turn == 0 { homes[talk] = result.worker }
                    #expect(result.worker == homes[talk], "talk \(talk), turn \(turn)")
                    talks[talk] += String(repeating: "turn \(turn) ", count: 40)
                }
            }
            #expect(Set(homes).count == 3, "three talks that share nothing are spread")
        }
    }

    @Test func `a deadline that passes ends the call here and at the worker`() async throws {
        try await Fleet.run(.neverAnswers) { fleet in
            let result = try await fleet.predict("a", headers: [("grpc-timeout", "50m")])
            #expect(result.status == .deadlineExceeded)
            // On a busy machine the deadline may pass before the worker has seen the call at all.
            try await until("the worker's streams are over") {
                fleet[0].calls().allSatisfy { $0.closure == .reset(.cancel) }
            }
            let bad = try await fleet.predict("a", headers: [("grpc-timeout", "soon")])
            #expect(bad.status == .invalidArgument)
        }
    }
}
