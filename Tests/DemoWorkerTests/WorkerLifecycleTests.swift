import Testing
import Wire

@testable import DemoWorker

/// Loading, and what a worker says before, during and after it.
struct WorkerLifecycleTests {
    private static let textCalls: [WorkerCall] = [
        .predict(SimulatedWorker.options("x"), streams: false), .predict(SimulatedWorker.options("x"), streams: true),
        .embedding(SimulatedWorker.options("x")), .tokenizeString(SimulatedWorker.options("x")),
        .detokenize(DetokenizeRequest(tokens: [1])), .modelMetadata(ModelOptions()),
    ]

    @Test(arguments: textCalls)
    func `without a model there is no text`(call: WorkerCall) {
        var worker = SimulatedWorker { $0.model = nil }
        let id = worker.call(call)
        #expect(worker[id].messages.isEmpty)
        #expect(worker[id].status == .failedPrecondition && worker[id].text == "Model not loaded")
        worker.call(SimulatedWorker.load("m"))
        let loaded = worker.call(call)
        worker.settle()
        #expect(worker[loaded].status == .ok)
    }

    @Test func `Health is OK before a model is there, and while one is loaded`() {
        var worker = SimulatedWorker {
            $0.model = nil
            $0.loadTimeMs = 1_000
        }
        let before = worker.call(.health)
        let load = worker.call(SimulatedWorker.load("m"))
        let during = worker.call(.health)
        for id in [before, during] { #expect(worker[id].replies == [.healthy] && worker[id].status == .ok) }
        #expect(worker[load].status == nil)
        let early = worker.predict("x")
        #expect(worker[early].status == .failedPrecondition)
        worker.advance(toMs: 1_000)
        #expect(worker[load].status == .ok)
        #expect(try! BackendResult(decoding: worker[load].messages[0]).success)
        let late = worker.predict("x")
        worker.settle()
        #expect(worker[late].status == .ok)
    }

    @Test func `GetMetrics without a model is never answered`() {
        var worker = SimulatedWorker { $0.model = nil }
        let id = worker.call(.getMetrics)
        worker.settle()
        #expect(worker[id] == SimulatedWorker.Answer() && worker.model.isIdle)
        worker.call(SimulatedWorker.load("m"))
        worker.predict(String(repeating: "x", count: 40))
        worker.settle()
        let after = worker.call(.getMetrics)
        let metrics = try? MetricsResponse(decoding: worker[after].messages.first ?? [])
        #expect(metrics?.tokensGenerated == 4 && metrics?.promptTokensProcessed == 10)
    }

    @Test func `another model's request is not found, and an empty identity is not compared`() {
        var worker = SimulatedWorker()
        let other = worker.call(.predict(SimulatedWorker.options("x", identity: "other"), streams: true))
        #expect(worker[other].status == .notFound && worker[other].text.contains("model identity mismatch"))
        let tokens = worker.call(.tokenizeString(SimulatedWorker.options("x", identity: "other")))
        #expect(worker[tokens].status == .notFound)
        for identity in ["m", ""] {
            let same = worker.call(.predict(SimulatedWorker.options("x", identity: identity), streams: true))
            worker.settle()
            #expect(worker[same].status == .ok)
        }
    }

    @Test func `a second load drops the cache, silently`() {
        var worker = SimulatedWorker()
        let text = String(repeating: "bird", count: 100)
        worker.predict(text)
        worker.settle()
        let load = worker.call(SimulatedWorker.load("m"))
        #expect(worker[load].status == .ok)
        let again = worker.predict(text)
        worker.settle()
        #expect(worker[again].replies.last?.promptMs == 100)
    }

    @Test func `a load without a file fails and the model stays`() {
        var worker = SimulatedWorker()
        let load = worker.call(.loadModel(ModelOptions()))
        #expect(worker[load].status == .internal && worker[load].text.hasPrefix("Failed to load model: "))
        let still = worker.predict("x")
        worker.settle()
        #expect(worker[still].status == .ok)
    }

    @Test func `slots and context come with the load`() {
        var worker = SimulatedWorker { $0.model = nil }
        var options = ModelOptions()
        options.model = [0x6D]
        options.contextSize = 50
        options.options = [Array("parallel:3".utf8)]
        worker.call(.loadModel(options))
        for _ in 0..<4 { worker.predict("x") }
        #expect(worker.model.running.count == 3 && worker.model.waiting.count == 1)
        let long = worker.predict(String(repeating: "x", count: 204))
        #expect(worker[long].status == .internal)
        worker.settle()
        #expect(worker.model.isIdle)
    }

    @Test func `a load at a busy worker ends what was running`() {
        var worker = SimulatedWorker { $0.loadTimeMs = 10 }
        let running = worker.predict("x")
        let waiting = worker.predict("y")
        let load = worker.call(SimulatedWorker.load("n"))
        for id in [running, waiting] { #expect(worker[id].status == .internal) }
        let second = worker.call(SimulatedWorker.load("o"))
        worker.settle()
        #expect(worker[load].status == .ok && worker[second].status == .ok && !worker.died)
        #expect(worker.model.loaded?.identity == Array("o".utf8) && worker.model.isIdle)
    }

    @Test func `a load at a busy worker kills it when that is asked for`() {
        var busy = SimulatedWorker { $0.diesOfUnsafeLoad = true }
        busy.predict("x")
        busy.call(SimulatedWorker.load("m"))
        #expect(busy.died)
        var loading = SimulatedWorker {
            $0.diesOfUnsafeLoad = true
            $0.model = nil
            $0.loadTimeMs = 10
        }
        loading.call(SimulatedWorker.load("m"))
        #expect(!loading.died)
        loading.call(SimulatedWorker.load("m"))
        #expect(loading.died)
        var idle = SimulatedWorker { $0.diesOfUnsafeLoad = true }
        idle.call(SimulatedWorker.load("m"))
        #expect(!idle.died)
    }

    @Test func `on a worker with one thread Health waits for the requests before it`() {
        var worker = SimulatedWorker { $0.healthBehindPredict = true }
        let idle = worker.call(.health)
        #expect(worker[idle].replies == [.healthy])
        worker.predict(String(repeating: "a", count: 400))
        worker.predict(String(repeating: "b", count: 400))
        let behind = worker.call(.health)
        worker.predict(String(repeating: "c", count: 400))
        worker.advance(toMs: 259)
        #expect(worker[behind].status == nil)
        worker.advance(toMs: 260)
        #expect(worker[behind].replies == [.healthy] && worker[behind].times == [260])
        let cancelled = worker.call(.health)
        worker.cancel(cancelled)
        worker.settle()
        #expect(worker[cancelled].status == nil && worker.model.isIdle)
    }

    @Test func `tokens turn back into their text`() throws {
        var worker = SimulatedWorker()
        for text in ["", "a", "abcd", "abcde", "ünïcödé 日本"] {
            let id = worker.call(.tokenizeString(SimulatedWorker.options(text)))
            let tokens = try TokenizationResponse(decoding: worker[id].messages[0])
            #expect(tokens.tokens.count == (text.utf8.count + 3) / 4)
            let back = worker.call(.detokenize(DetokenizeRequest(tokens: tokens.tokens)))
            #expect(try DetokenizeResponse(decoding: worker[back].messages[0]).content == Array(text.utf8))
        }
    }

    @Test func `an embedding is the same for the same text and within -1 and 1`() throws {
        var worker = SimulatedWorker()
        func embedding(_ text: String) throws -> [Float] {
            var options = PredictOptions()
            options.embeddings = Array(text.utf8)
            let id = worker.call(.embedding(options))
            return try EmbeddingResult(decoding: worker[id].messages[0]).embeddings
        }
        let first = try embedding("a")
        #expect(first.count == 8 && first.allSatisfy { (-1...1).contains($0) })
        #expect(try embedding("a") == first && embedding("b") != first)
    }
}
