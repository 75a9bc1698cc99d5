import Testing
import Wire

struct BackendMethodTests {
    private static func method(_ path: String) -> BackendMethod? {
        Array(path.utf8).withRawSpan { BackendMethod(path: $0) }
    }

    @Test func `there are 52 calls and each is found by its path`() {
        #expect(BackendMethod.allCases.count == 52)
        for method in BackendMethod.allCases {
            #expect(Self.method(method.path) == method)
            #expect(Self.method(method.path + "X") == nil)
            #expect(Self.method(String(method.path.dropLast())) == nil)
        }
    }

    @Test(
        arguments: [
            "", "/", "/backend.Backend/", "/backend.Backend", "/backend.Backend/predict", "/backend.backend/Predict",
            "backend.Backend/Predict", "/backend.Backend/Predict/", "/grpc.health.v1.Health/Check",
            "/backend.Backend/ThisNameIsLongerThanAnyCallOfTheProtocol",
        ])
    func `other paths are no calls of the protocol`(path: String) {
        #expect(Self.method(path) == nil)
    }

    @Test func `kinds are those of the protocol`() {
        #expect(BackendMethod.allCases.filter { $0.kind == .serverStreaming }.count == 5)
        #expect(
            BackendMethod.allCases.filter { $0.kind == .bidirectional }
                == [.audioTranscriptionLive, .audioTransformStream, .audioToAudioStream, .forward])
    }
}
