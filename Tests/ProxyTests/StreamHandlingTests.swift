import Testing
import Wire

@testable import Proxy

struct StreamHandlingTests {
    @Test func `methods that the proxy answers are these, and prompts are read of these`() {
        var byHandling: [String: Set<String>] = [:]
        for method in BackendMethod.allCases {
            let kind =
                switch StreamHandling(method) {
                case .health: "health"
                case .loadModel: "load"
                case .free: "free"
                case .grpcHealth: "grpc health"
                case .affinity: "affinity"
                case .relay(let mayRepeat): mayRepeat ? "repeat" : "once"
                }
            byHandling[kind, default: []].insert(method.rawValue)
        }
        #expect(byHandling["health"] == ["Health"] && byHandling["load"] == ["LoadModel"])
        #expect(byHandling["free"] == ["Free"])
        #expect(byHandling["affinity"] == ["Predict", "PredictStream"])
        #expect(
            byHandling["once"] == [
                "AudioTranscriptionLive", "StoresSet", "StoresDelete", "AudioDecode", "AudioTransformStream",
                "AudioToAudioStream", "StartFineTune", "StopFineTune", "ExportModel", "StartQuantization",
                "StopQuantization", "Forward",
            ])
        #expect(byHandling.values.reduce(0) { $0 + $1.count } == BackendMethod.allCases.count)
        #expect(BackendMethod.allCases.count == 52)
    }

    @Test func `what may be repeated has no effect that a second one would double`() {
        for method in BackendMethod.allCases where method.kind == .bidirectional {
            #expect(!StreamHandling(method).mayRepeat, "the caller's half of \(method) cannot be said again")
        }
        #expect(StreamHandling(nil) == .relay(mayRepeat: false))
        #expect(StreamHandling(.predict).mayRepeat && !StreamHandling(.loadModel).mayRepeat)
    }
}
