import Testing
import Wire

/// Where each request names its model.
struct ModelIdentityTests {
    private static func identity(_ message: [UInt8], of method: BackendMethod) throws -> [UInt8]? {
        try message.withRawSpan { try ModelIdentity.read($0, of: method, in: MessageArena()) { $0.copied } }
    }

    @Test func `requests made elsewhere name their model`() throws {
        #expect(try Self.identity(ForeignMessages.tts, of: .tts) == Array("voice".utf8))
        #expect(try Self.identity(ForeignMessages.tts, of: .ttsStream) == Array("voice".utf8))
        #expect(try Self.identity(ForeignMessages.rerank, of: .rerank) == Array("r".utf8))
        #expect(try Self.identity(ForeignMessages.score, of: .score) == Array("q".utf8))
        for method in [.predict, .predictStream, .embedding, .tokenizeString] as [BackendMethod] {
            #expect(try Self.identity(ForeignMessages.predictPrompt, of: method) == Array("qwen".utf8))
        }
    }

    @Test(arguments: BackendMethod.allCases)
    func `the field of every method is found among others`(method: BackendMethod) throws {
        guard let field = method.identityField else {
            #expect(try Self.identity([0xFF], of: method) == nil, "requests that cannot name one are not decoded")
            return
        }
        let message = ProtobufBytes.of {
            $0.data(1_000, [UInt8](repeating: 0x62, count: 1_000))
            $0.text(UInt64(field.rawValue), "first")
            $0.text(UInt64(field.rawValue), "mod\0el")
            $0.number(2_000, .max)
        }
        #expect(try Self.identity(message, of: method) == Array("mod\0el".utf8))
        #expect(try Self.identity([], of: method) == [], "a request may leave it out")
        #expect(throws: MessageProblem.malformed) { try Self.identity(Array(message.dropLast()), of: method) }
    }

    @Test func `exactly the twenty-five methods whose requests carry one have a field`() {
        let with = BackendMethod.allCases.filter { $0.identityField != nil }
        // Twenty kinds of request; PredictOptions serves four calls, TranscriptRequest and TTSRequest two each.
        #expect(with.count == 20 + 3 + 1 + 1)
        #expect(Set(with.compactMap(\.identityField)).count == ModelIdentity.Field.allCases.count)
    }
}
