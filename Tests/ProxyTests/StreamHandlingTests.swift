import Testing
import Wire

@testable import Proxy

struct StreamHandlingTests {
    @Test func `every method is handled by its nature`() {
        var byHandling: [String: Set<String>] = [:]
        for method in BackendMethod.allCases {
            let kind =
                switch StreamHandling(method) {
                case .health: "health"
                case .status: "status"
                case .metrics: "metrics"
                case .loadModel: "load"
                case .free: "free"
                case .grpcHealth: "grpc health"
                case .affinity: "affinity"
                case .followed: "followed"
                case .sticky(let mayRepeat): mayRepeat ? "sticky, repeat" : "sticky, once"
                case .stores(let writes): writes ? "write" : "read"
                case .storesEverywhere: "everywhere"
                case .memo: "memo"
                case .relay(let mayRepeat): mayRepeat ? "repeat" : "once"
                }
            byHandling[kind, default: []].insert(method.rawValue)
        }
        let repeated = byHandling.removeValue(forKey: "repeat")?.count
        #expect(
            byHandling == [
                "health": ["Health"], "status": ["Status"], "metrics": ["GetMetrics"], "load": ["LoadModel"],
                "free": ["Free"], "affinity": ["Predict", "PredictStream", "Score"], "followed": ["TokenizeString"],
                "sticky, repeat": ["FineTuneProgress", "QuantizationProgress"],
                "sticky, once": [
                    "StartFineTune", "StopFineTune", "StartQuantization", "StopQuantization", "AudioDecode",
                ],
                "write": ["StoresSet", "StoresDelete"], "read": ["StoresGet", "StoresFind"], "memo": ["ModelMetadata"],
                "once": [
                    "AudioTranscriptionLive", "AudioTransformStream", "AudioToAudioStream", "ExportModel", "Forward",
                ],
            ])
        #expect(repeated == 26 && BackendMethod.allCases.count == 52)
    }

    @Test func `what may be repeated has no effect that a second one would double`() {
        for method in BackendMethod.allCases where method.kind == .bidirectional {
            #expect(!StreamHandling(method).mayRepeat, "the caller's half of \(method) cannot be said again")
        }
        #expect(StreamHandling(nil) == .relay(mayRepeat: false))
        #expect(StreamHandling(.predict).mayRepeat && !StreamHandling(.loadModel).mayRepeat)
    }
}
