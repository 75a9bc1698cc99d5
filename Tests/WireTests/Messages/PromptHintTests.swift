import Testing
import Wire

/// What the router sees of a request.
struct PromptHintTests {
    struct Seen: Equatable {
        var text: [UInt8] = []
        var byteCount = 0
        var identity: [UInt8] = []
    }

    private static func see(_ hint: borrowing PromptHint) -> Seen {
        var text: [UInt8] = []
        hint.forEachTextPart { text += $0.copied }
        return Seen(text: text, byteCount: hint.textByteCount, identity: hint.withModelIdentity { $0.copied })
    }

    private static func predict(_ message: [UInt8], in arena: MessageArena = MessageArena()) throws -> Seen {
        try message.withRawSpan { try PromptHint.readPredict($0, in: arena) { Self.see($0) } }
    }

    private static func seen(_ text: String, identity: String = "") -> Seen {
        Seen(text: Array(text.utf8), byteCount: text.utf8.count, identity: Array(identity.utf8))
    }

    @Test func `a prompt is its own text, zero bytes and all`() throws {
        #expect(try Self.predict(ForeignMessages.predictPrompt) == Self.seen("Once upon\0a time", identity: "qwen"))
    }

    @Test func `a templated conversation is role and content, each with a line feed`() throws {
        #expect(
            try Self.predict(ForeignMessages.predictMessages)
                == Self.seen("system\nYou are helpful.\nuser\nHi\nassistant\n\n"))
    }

    @Test func `messages count only with the template flag and without a prompt`() throws {
        var options = PredictOptions()
        options.messages = [ChatMessage(role: Array("user".utf8), content: Array("Hi".utf8))]
        #expect(try Self.predict(options.encoded()) == Self.seen(""))
        options.usesTokenizerTemplate = true
        #expect(try Self.predict(options.encoded()) == Self.seen("user\nHi\n"))
        options.prompt = Array("rendered".utf8)
        #expect(try Self.predict(options.encoded()) == Self.seen("rendered"))
        options.messages = []
        options.prompt = []
        #expect(try Self.predict(options.encoded()) == Self.seen(""))
    }

    @Test func `the last of several prompts counts, as in every protobuf reader`() throws {
        let message = ProtobufBytes.of {
            $0.text(1, "first")
            $0.text(1, "second")
        }
        #expect(try Self.predict(message) == Self.seen("second"))
    }

    @Test func `fields of a newer protocol are stepped over`() throws {
        let message = ProtobufBytes.of {
            $0.number(900, 1 << 40)
            $0.text(1, "known")
            $0.text(901, "new")
            $0.text(54, "model")
        }
        #expect(try Self.predict(message) == Self.seen("known", identity: "model"))
    }

    @Test func `a prompt of 5 MiB is whole`() throws {
        let prompt = [UInt8](repeating: 0x20, count: 5 * 1024 * 1024)
        let message = ProtobufBytes.of { $0.data(1, prompt) }
        #expect(try Self.predict(message) == Seen(text: prompt, byteCount: prompt.count))
    }

    @Test func `a conversation of ten thousand turns is whole`() throws {
        var options = PredictOptions()
        options.usesTokenizerTemplate = true
        options.messages = (0..<10_000).map { ChatMessage(role: Array("user".utf8), content: Array("\($0)".utf8)) }
        let expected = (0..<10_000).map { "user\n\($0)\n" }.joined()
        #expect(try Self.predict(options.encoded()) == Self.seen(expected))
    }

    @Test func `a score goes by the part of its prompt that stays`() throws {
        func see(_ message: [UInt8]) throws -> Seen {
            try message.withRawSpan { try PromptHint.readScore($0, in: MessageArena()) { Self.see($0) } }
        }
        #expect(try see(ForeignMessages.score) == Self.seen("stable", identity: "q"))
        for (length, text) in [(0, "prompt"), (100, "prompt"), (1 << 31 - 1, "prompt")] as [(UInt64, String)] {
            let message = ProtobufBytes.of {
                $0.text(1, "prompt")
                $0.number(6, length)
            }
            #expect(try see(message) == Self.seen(text))
        }
        let negative = ProtobufBytes.of {
            $0.text(1, "prompt")
            $0.number(6, UInt64(bitPattern: -5))
        }
        #expect(try see(negative) == Self.seen("prompt"))
    }

    @Test func `a wrong type, a length past the end and a group are malformed`() {
        let wrong: [[UInt8]] = [
            [0x08, 1],  // field 1 as a number
            [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],  // field 1 of 4 GiB
            [0x0A, 2, 0x61],  // one byte missing
            [0x0B, 0x0C],  // a group
            [0x00, 0x00],  // field 0
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],  // no end of a varint
            [0xE2, 0x02, 1, 0x0A],  // a Message that ends inside
        ]
        for message in wrong {
            #expect(throws: MessageProblem.malformed, "\(message)") { try Self.predict(message) }
        }
    }

    @Test(arguments: [3, 20_261_123] as [UInt64])
    func `changed conversations are seen or refused`(seed: UInt64) {
        print("seed \(seed)")
        var numbers = SeededNumbers(seed: seed)
        let arena = MessageArena(limit: 1024 * 1024)
        var seenCount = 0
        for _ in 0..<4_000 {
            var message = Bool.random(using: &numbers) ? ForeignMessages.predictMessages : ForeignMessages.predictPrompt
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                let position = Int.random(in: 0..<message.count, using: &numbers)
                message[position] = UInt8.random(in: 0...255, using: &numbers)
            }
            guard let seen = try? Self.predict(message, in: arena) else { continue }
            seenCount += 1
            #expect(seen.text.count == seen.byteCount, "seed \(seed), bytes \(message)")
            // Line feeds are the only bytes that are not copied from the message.
            #expect(seen.byteCount <= message.count * 2, "seed \(seed), bytes \(message)")
        }
        #expect(seenCount > 1_000 && seenCount < 4_000, "the changes are neither too small nor too large to matter")
    }
}
