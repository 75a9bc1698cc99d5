import Testing
import Wire

/// The messages that Homing decodes and makes, against bytes from another implementation and against odd bytes.
struct BackendMessageTests {
    @Test func `Health's answer is the frame that LocalAI compares`() {
        #expect(GRPCFrame.framed(Reply.healthy.encoded()) == [0, 0, 0, 0, 4, 0x0A, 2, 0x4F, 0x4B])
        #expect(GRPCFrame.framed(HealthMessage().encoded()) == [0, 0, 0, 0, 0])
    }

    @Test func `a PredictOptions made elsewhere is read`() throws {
        let prompt = try PredictOptions(decoding: ForeignMessages.predictPrompt)
        #expect(prompt.prompt == Array("Once upon\0a time".utf8))
        #expect(prompt.tokens == 32)
        #expect(prompt.promptCacheAll)
        #expect(prompt.modelIdentity == Array("qwen".utf8))
        #expect(!prompt.usesTokenizerTemplate && prompt.messages.isEmpty)

        let chat = try PredictOptions(decoding: ForeignMessages.predictMessages)
        #expect(chat.usesTokenizerTemplate)
        #expect(chat.messages.map(\.role) == ["system", "user", "assistant"].map { Array($0.utf8) })
        #expect(chat.messages.map(\.content) == ["You are helpful.", "Hi", ""].map { Array($0.utf8) })
        #expect(chat.messages[2].toolCalls == Array("[]".utf8))
        #expect(chat.tools == Array("[{}]".utf8) && chat.toolChoice == Array("auto".utf8))
        #expect(chat.embeddingTokens == [1, -2, 300])
    }

    @Test func `a ModelOptions made elsewhere is read`() throws {
        let options = try ModelOptions(decoding: ForeignMessages.modelOptions)
        #expect(options.model == Array("qwen".utf8))
        #expect(options.contextSize == 4096)
        #expect(options.modelFile == Array("/m/qwen.gguf".utf8) && options.modelPath == Array("/m".utf8))
        #expect(options.options == ["parallel:4", "cache_ram:100"].map { Array($0.utf8) })
        #expect(options.slots == 4)
    }

    @Test func `a Reply made elsewhere is read and made again byte for byte`() throws {
        let reply = try Reply(decoding: ForeignMessages.reply)
        #expect(reply.message == [0x48, 0x69, 0xFF])
        #expect(reply.tokens == 3 && reply.promptTokens == 12)
        #expect(reply.promptMs == 1.5 && reply.generationMs == 0.25)
        #expect(reply.logprobs == Array("{}".utf8) && reply.audio.isEmpty)
        let call = ChatDelta.ToolCallDelta(index: 1, id: [0x63], name: [0x66], arguments: Array("{}".utf8))
        #expect(reply.chatDeltas == [ChatDelta(content: [0x61], toolCalls: [call])])
        #expect(reply.encoded() == ForeignMessages.reply)
    }

    @Test func `the small answers made elsewhere are read and made again byte for byte`() throws {
        let result = try BackendResult(decoding: ForeignMessages.result)
        #expect(result == BackendResult(success: true, message: "loaded"))
        #expect(result.encoded() == ForeignMessages.result)

        let metrics = try MetricsResponse(decoding: ForeignMessages.metrics)
        #expect(metrics.slot == 2 && metrics.promptJson == [0x22, 0x22] && metrics.tokensPerSecond == 12.5)
        #expect(metrics.tokensGenerated == 7 && metrics.promptTokensProcessed == 9)
        #expect(metrics.encoded() == ForeignMessages.metrics)

        let tokens = try TokenizationResponse(decoding: ForeignMessages.tokenization)
        #expect(tokens == TokenizationResponse(tokens: [5, 6, 70_000]))
        #expect(tokens.encoded() == ForeignMessages.tokenization)

        let embedding = try EmbeddingResult(decoding: ForeignMessages.embedding)
        #expect(embedding.embeddings == [0.5, -1] && embedding.tokens == 1 && embedding.dimensions == 2)
        #expect(embedding.promptTokens == 4 && embedding.layout == .perToken)
        #expect(embedding.encoded() == ForeignMessages.embedding)

        let metadata = try ModelMetadataResponse(decoding: ForeignMessages.modelMetadata)
        #expect(metadata == ModelMetadataResponse(supportsThinking: true, mediaMarker: Array("<m>".utf8)))

        #expect(try DetokenizeRequest(decoding: ForeignMessages.detokenize) == DetokenizeRequest(tokens: [1, 2]))
    }

    @Test func `a negative state takes ten bytes and comes back`() throws {
        let status = try StatusResponse(decoding: ForeignMessages.status)
        #expect(status == StatusResponse(state: .error, memoryBytes: 1 << 40))
        #expect(StatusResponse(state: .error).encoded() == [8] + [UInt8](repeating: 0xFF, count: 9) + [1])
        let unheardOf = try StatusResponse(decoding: [8, 77])
        #expect(unheardOf.state == nil)
    }

    @Test func `every message that is made can be read back`() throws {
        var chat = PredictOptions()
        chat.prompt = [0, 1, 0, 255]
        chat.tokens = -1
        chat.promptCacheAll = true
        chat.usesTokenizerTemplate = true
        chat.messages = [
            ChatMessage(role: Array("user".utf8), content: [0]), ChatMessage(role: [], content: []),
        ]
        chat.messages[0].name = [1]
        chat.messages[0].toolCallId = [2, 0]
        chat.messages[0].reasoningContent = [3]
        chat.messages[0].toolCalls = [4]
        chat.embeddings = [5]
        chat.embeddingTokens = [1, -1]
        chat.tools = [6]
        chat.toolChoice = [7]
        chat.modelIdentity = [8, 0, 9]
        #expect(try PredictOptions(decoding: chat.encoded()) == chat)

        var options = ModelOptions()
        options.model = [0]
        options.contextSize = .max
        options.modelFile = [1]
        options.modelPath = [2]
        options.options = [[], [0], [3, 4]]
        #expect(try ModelOptions(decoding: options.encoded()) == options)

        #expect(try HealthMessage(decoding: HealthMessage().encoded()) == HealthMessage())
        #expect(try Reply(decoding: Reply().encoded()) == Reply())
        #expect(try BackendResult(decoding: []) == BackendResult(success: false))
        #expect(try DetokenizeResponse(decoding: DetokenizeResponse(content: [0]).encoded()).content == [0])
        for state in StatusResponse.State.allCases {
            let status = StatusResponse(state: state, memoryBytes: .max)
            #expect(try StatusResponse(decoding: status.encoded()) == status)
        }
    }

    @Test(
        arguments: [
            ([], nil), (["parallel:3"], 3), (["n_parallel:5"], 5), (["parallel:2", "n_parallel:7"], 7),
            (["parallel:0"], nil), (["parallel:-4"], nil), (["parallel:"], nil), (["parallel"], nil),
            (["parallel:x", "parallel:6"], 6), (["xparallel:6"], nil), (["cache_ram:6"], nil),
            (["parallel:99999999999999999999"], nil),
        ] as [([String], Int?)])
    func `slots come from the last option that gives a number`(options: [String], slots: Int?) {
        var model = ModelOptions()
        model.options = options.map { Array($0.utf8) }
        #expect(model.slots == slots)
    }

    /// Decodes `message` as everything at once; what matters is that this comes back.
    private static func decodeAsEverything(_ message: [UInt8], in arena: MessageArena) -> Int {
        func decodes<M: BackendMessage>(_ type: M.Type) -> Int {
            message.withRawSpan { bytes in
                guard let value = try? M(decoding: bytes, in: arena) else { return 0 }
                // Whatever was understood can be said again and is understood the same.
                let again = try? M(decoding: value.encoded())
                return again?.encoded() == value.encoded() ? 1 : -1_000
            }
        }
        return decodes(HealthMessage.self) + decodes(Reply.self) + decodes(BackendResult.self)
            + decodes(PredictOptions.self) + decodes(ModelOptions.self) + decodes(StatusResponse.self)
            + decodes(MetricsResponse.self) + decodes(TokenizationResponse.self) + decodes(EmbeddingResult.self)
            + decodes(DetokenizeRequest.self) + decodes(DetokenizeResponse.self) + decodes(ModelMetadataResponse.self)
    }

    @Test func `every beginning of a message is decoded or refused`() {
        let arena = MessageArena()
        for message in ForeignMessages.all {
            for count in 0...message.count {
                #expect(Self.decodeAsEverything(Array(message.prefix(count)), in: arena) >= 0)
            }
        }
    }

    @Test(arguments: [1, 20_261_121, 0xFEED_BEEF] as [UInt64])
    func `changed bytes are decoded or refused`(seed: UInt64) {
        print("seed \(seed)")
        var numbers = SeededNumbers(seed: seed)
        let arena = MessageArena(limit: 1024 * 1024)
        var decoded = 0
        for _ in 0..<1_500 {
            var message = ForeignMessages.all.randomElement(using: &numbers) ?? []
            for _ in 0..<Int.random(in: 1...6, using: &numbers) {
                let position = Int.random(in: 0..<message.count, using: &numbers)
                switch Int.random(in: 0..<4, using: &numbers) {
                case 0: message[position] = UInt8.random(in: 0...255, using: &numbers)
                case 1: message[position] ^= 1 << UInt8.random(in: 0...7, using: &numbers)
                case 2: message.insert(UInt8.random(in: 0...255, using: &numbers), at: position)
                default: if message.count > 1 { message.remove(at: position) }
                }
            }
            let count = Self.decodeAsEverything(message, in: arena)
            #expect(count >= 0, "seed \(seed), bytes \(message)")
            decoded += count
        }
        #expect(decoded > 1_000, "the changes are not too large to matter")
        #expect(arena.heldBytes <= 1024 * 1024)
    }

    @Test(arguments: [2, 20_261_122] as [UInt64])
    func `random bytes are decoded or refused`(seed: UInt64) {
        print("seed \(seed)")
        var numbers = SeededNumbers(seed: seed)
        let arena = MessageArena(limit: 1024 * 1024)
        for _ in 0..<1_500 {
            let count = Int.random(in: 0...200, using: &numbers)
            let message = (0..<count).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            #expect(Self.decodeAsEverything(message, in: arena) >= 0, "seed \(seed), bytes \(message)")
        }
    }
}
