import Testing
import Wire

@testable import DemoWorker

struct WorkerCallTests {
    private static func call(_ path: String, _ message: [UInt8]) -> WorkerCall {
        Array(path.utf8).withRawSpan { path in
            message.withRawSpan { WorkerCall(path: path, message: $0, in: MessageArena()) }
        }
    }

    @Test func `a path and its message make a call`() {
        var options = PredictOptions()
        options.prompt = [1, 0, 2]
        var model = ModelOptions()
        model.model = [3]
        #expect(Self.call("/backend.Backend/Health", []) == .health)
        #expect(Self.call("/backend.Backend/Predict", options.encoded()) == .predict(options, streams: false))
        #expect(Self.call("/backend.Backend/PredictStream", options.encoded()) == .predict(options, streams: true))
        #expect(Self.call("/backend.Backend/Embedding", options.encoded()) == .embedding(options))
        #expect(Self.call("/backend.Backend/TokenizeString", options.encoded()) == .tokenizeString(options))
        #expect(Self.call("/backend.Backend/LoadModel", model.encoded()) == .loadModel(model))
        #expect(Self.call("/backend.Backend/ModelMetadata", model.encoded()) == .modelMetadata(model))
        #expect(Self.call("/backend.Backend/GetMetrics", []) == .getMetrics)
        let tokens = DetokenizeRequest(tokens: [1])
        #expect(Self.call("/backend.Backend/Detokenize", tokens.encoded()) == .detokenize(tokens))
    }

    @Test func `what llama.cpp's worker does not implement is not implemented here`() {
        for path in ["/backend.Backend/Status", "/backend.Backend/Free", "/grpc.health.v1.Health/Check", "", "/"] {
            #expect(Self.call(path, []) == .unimplemented)
        }
        var worker = SimulatedWorker()
        let id = worker.call(.unimplemented)
        #expect(worker[id].status == .unimplemented)
    }

    @Test func `bytes that are no message are an error of the caller`() {
        for method in ["Predict", "PredictStream", "LoadModel", "Detokenize", "Embedding"] {
            #expect(Self.call("/backend.Backend/" + method, [0x0A, 0x7F, 1]) == .malformed)
        }
        var worker = SimulatedWorker()
        let id = worker.call(.malformed)
        #expect(worker[id].status == .internal && worker.model.isIdle)
    }
}
