import Connection
import Testing
import Transport
import Wire

@testable import DemoWorker

/// The embedded worker over loopback: what callers get.
struct DemoWorkerServerTests {
    private static let prompt = SimulatedWorker.options("Where does the bird live?", tokens: 5)

    @Test func `Health is OK, also without a model`() async throws {
        try await LiveWorker.with({ $0.model = nil }) { worker in
            let answer = await worker.run(.health, HealthMessage())
            #expect(answer.replies == [.healthy] && answer.code == .ok)
            #expect(answer.header("content-type") == "application/grpc")
        }
    }

    @Test func `a stream and a unary call get the model's words, token by token and at once`() async throws {
        try await LiveWorker.with { worker in
            let words = AnswerText.answer(to: Self.prompt, count: 5)
            let stream = await worker.run(.predictStream, Self.prompt)
            #expect(stream.said == words && stream.code == .ok)
            #expect(stream.replies.map(\.message.count) == [0, 4, 4, 4, 4, 4, 0])
            #expect(stream.replies.last?.tokens == 5 && stream.replies.last?.promptTokens == 7)
            let unary = await worker.run(.predict, Self.prompt)
            #expect(unary.said == words && unary.messages.count == 1 && unary.code == .ok)
        }
    }

    @Test func `the other calls on text are answered`() async throws {
        try await LiveWorker.with { worker in
            let tokens = await worker.run(.tokenizeString, Self.prompt)
            let tokenized = try TokenizationResponse(decoding: #require(tokens.messages.first))
            let back = await worker.run(.detokenize, DetokenizeRequest(tokens: tokenized.tokens))
            let text = try DetokenizeResponse(decoding: #require(back.messages.first))
            #expect(text.content == Self.prompt.prompt)
            for method in [BackendMethod.embedding, .modelMetadata, .getMetrics] {
                let answer = await worker.run(method, PredictOptions())
                #expect(answer.code == .ok && answer.messages.count == 1, "\(method)")
            }
        }
    }

    @Test func `without a model a call fails by header list alone, until LoadModel`() async throws {
        try await LiveWorker.with({ $0.model = nil }) { worker in
            let early = await worker.run(.predictStream, Self.prompt)
            #expect(early.status == GRPCStatus(.failedPrecondition, "Model not loaded"))
            #expect(early.messages.isEmpty && early.header("grpc-status") == "9")
            var options = ModelOptions()
            options.model = Array("nest".utf8)
            let load = await worker.run(.loadModel, options)
            let result = try BackendResult(decoding: #require(load.messages.first))
            #expect(load.code == .ok && result.success)
            #expect(await worker.run(.predict, Self.prompt).code == .ok)
            let other = await worker.run(.predict, SimulatedWorker.options("x", identity: "other"))
            #expect(other.code == .notFound && other.status?.text.contains("model identity mismatch") == true)
        }
    }

    @Test(arguments: [
        "/backend.Backend/Free", "/backend.Backend/Status", "/backend.Backend/Forward",
        "/grpc.health.v1.Health/Check", "/no.such/Method",
    ])
    func `what is not implemented says so, with a message or without`(path: String) async throws {
        try await LiveWorker.with { worker in
            for body in [GRPCFrame.framed([]), []] {
                let answer = await worker.run(DirectCall.Request(path: path, body: body))
                #expect(answer.code == .unimplemented && answer.messages.isEmpty)
            }
        }
    }

    /// A request's bytes, the encoding its headers name, and the status that they get.
    private static let badRequests: [(body: [UInt8], encoding: String?, code: GRPCStatusCode)] = [
        (GRPCFrame.framed([0x0A, 0x7F, 1]), nil, .internal),
        (GRPCFrame.framed([1, 2, 3], isCompressed: true), "gzip", .unimplemented),
        (GRPCFrame.framed([1, 2, 3], isCompressed: true), nil, .internal),
        ([0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3], nil, .resourceExhausted),
        ([0, 0x03, 0x20, 0x00, 0x01], nil, .resourceExhausted),
        ([0, 0x03, 0x20, 0x00, 0x00], nil, .internal),
        ([0, 0, 0, 0, 9, 1, 2, 3], nil, .internal),
        ([0, 0, 0], nil, .internal),
        ([7, 0, 0, 0, 0], nil, .internal),
        ([], nil, .internal),
    ]

    @Test(arguments: badRequests.indices)
    func `a request that is wrong gets its status, and the next one is served`(index: Int) async throws {
        let bad = Self.badRequests[index]
        try await LiveWorker.with { worker in
            var request = DirectCall.Request(path: BackendMethod.predict.path, body: bad.body)
            if let encoding = bad.encoding { request.metadata = [("grpc-encoding", encoding)] }
            let answer = await worker.run(request)
            #expect(answer.code == bad.code && answer.status?.text.isEmpty == false)
            #expect(await worker.run(.predict, Self.prompt).code == .ok)
        }
    }

    @Test func `a message of more than 50 MiB is refused while it comes, one of 5 MiB is served`() async throws {
        try await LiveWorker.with({ $0.contextTokens = 100_000_000 }) { worker in
            var options = Self.prompt
            options.prompt = [UInt8](repeating: 0x61, count: 5 * 1024 * 1024)
            let large = await worker.run(.predict, options)
            #expect(large.code == .ok && large.replies.first?.promptTokens == 5 * 1024 * 1024 / 4)
            let tooLarge = [UInt8](repeating: 0, count: WorkerStream.maxMessageBytes + 1)
            let refused = await worker.run(DirectCall.Request(.predict, message: tooLarge))
            #expect(refused.code == .resourceExhausted)
        }
    }

    @Test func `a token that is asked for must come with every call, letter by letter`() async throws {
        try await LiveWorker.with({ $0.authToken = "Secret" }) { worker in
            for wrong in [nil, "Bearer secret", "Secret", "bearer Secret", "Bearer Secrets"] {
                var request = DirectCall.Request(.health, message: [])
                if let wrong { request.metadata = [("authorization", wrong)] }
                #expect(await worker.run(request).code == .unauthenticated)
            }
            var right = DirectCall.Request(.predict, message: Self.prompt.encoded())
            right.metadata = [("authorization", "Bearer Secret")]
            #expect(await worker.run(right).code == .ok)
        }
    }

    @Test func `forty callers at once each get their own answer`() async throws {
        try await LiveWorker.with({ $0.slots = 3 }) { worker in
            await withTaskGroup(of: Void.self) { tasks in
                for number in 0..<40 {
                    tasks.addTask {
                        let options = SimulatedWorker.options("prompt \(number)", tokens: 9)
                        let answer = await worker.run(number % 2 == 0 ? .predict : .predictStream, options)
                        #expect(answer.said == AnswerText.answer(to: options, count: 9) && answer.code == .ok)
                    }
                }
            }
        }
    }

    @Test func `a port that is taken is an error`() async throws {
        try await LiveWorker.with { worker in
            var settings = WorkerSettings()
            settings.listen = worker.server.endpoint
            await #expect(throws: (any Error).self) {
                _ = try await DemoWorkerServer.start(settings) { _ in }
            }
        }
    }
}
