import Testing
import Wire

/// How much memory decoding takes, and that it is given back.
struct MessageArenaTests {
    private static func prompt(_ bytes: Int) -> [UInt8] {
        ProtobufBytes.of { $0.data(1, [UInt8](repeating: 0x61, count: bytes)) }
    }

    private static func decode(_ message: [UInt8], in arena: MessageArena) throws -> PredictOptions {
        try message.withRawSpan { try PredictOptions(decoding: $0, in: arena) }
    }

    @Test func `a message past the limit is too large and the next one is read`() throws {
        let arena = MessageArena(limit: 64 * 1024)
        #expect(throws: MessageProblem.tooLarge) { try Self.decode(Self.prompt(65 * 1024), in: arena) }
        #expect(arena.heldBytes <= 64 * 1024)
        #expect(try Self.decode(Self.prompt(1024), in: arena).prompt.count == 1024)
        #expect(throws: MessageProblem.malformed) { try Self.decode([0x0A, 5], in: arena) }
    }

    @Test func `millions of tiny fields run into the limit`() {
        let arena = MessageArena(limit: 1024 * 1024)
        // Two bytes each on the wire: field 13, repeated, empty.
        let message = (0..<2_000_000).map { $0 % 2 == 0 ? 0x6A : 0 as UInt8 }
        #expect(throws: MessageProblem.tooLarge) { try Self.decode(message, in: arena) }
        #expect(arena.heldBytes <= 1024 * 1024)
    }

    @Test func `many small pieces together run into the limit`() throws {
        var chat = PredictOptions()
        chat.messages = (0..<20_000).map { _ in ChatMessage(role: [], content: [UInt8](repeating: 1, count: 100)) }
        let message = chat.encoded()
        let small = MessageArena(limit: 2 * 1024 * 1024)
        #expect(throws: MessageProblem.tooLarge) { try Self.decode(message, in: small) }
        #expect(small.heldBytes <= 2 * 1024 * 1024)
        #expect(try Self.decode(message, in: MessageArena()) == chat)
    }

    @Test func `memory of ordinary messages is kept and that of a huge one is not`() throws {
        let arena = MessageArena(limit: 64 * 1024 * 1024, retained: 256 * 1024)
        for _ in 0..<3 { _ = try Self.decode(Self.prompt(100 * 1024), in: arena) }
        let ordinary = arena.heldBytes
        #expect(ordinary >= 100 * 1024 && ordinary <= 256 * 1024)
        for _ in 0..<100 { _ = try Self.decode(Self.prompt(100 * 1024), in: arena) }
        #expect(arena.heldBytes == ordinary)
        #expect(try Self.decode(Self.prompt(20 * 1024 * 1024), in: arena).prompt.count == 20 * 1024 * 1024)
        #expect(arena.heldBytes <= 256 * 1024)
    }

    @Test func `an arena without room refuses everything but nothing breaks`() {
        let arena = MessageArena(limit: 0, retained: 0)
        #expect(throws: MessageProblem.tooLarge) { try Self.decode([], in: arena) }
        #expect(throws: MessageProblem.tooLarge) { try Self.decode(Self.prompt(1), in: arena) }
        #expect(arena.heldBytes == 0)
    }

    @Test(arguments: 0..<64)
    func `every size of region boundary keeps a conversation whole`(extra: Int) throws {
        let arena = MessageArena()
        var chat = PredictOptions()
        chat.messages = (0..<200).map { turn in
            ChatMessage(role: [UInt8(turn)], content: [UInt8](repeating: UInt8(turn), count: turn * 7 + extra))
        }
        #expect(try Self.decode(chat.encoded(), in: arena) == chat)
    }
}
