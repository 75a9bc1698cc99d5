import Testing
import Wire

/// What shapes a worker's cache, as the router sees it.
struct CachePartTests {
    enum Part: Equatable {
        case text([UInt8])
        case attachment([UInt8])
        case messageEnd
    }

    /// A message of a conversation; the names of its fields are their numbers.
    struct Turn {
        var role = "user"
        var content = ""
        var name = ""
        var callID = ""
        var reasoning = ""
        var calls = ""

        var encoded: [UInt8] {
            ProtobufBytes.of {
                $0.text(1, self.role)
                $0.text(2, self.content)
                $0.text(3, self.name)
                $0.text(4, self.callID)
                $0.text(5, self.reasoning)
                $0.text(6, self.calls)
            }
        }
    }

    struct Request {
        var prompt = ""
        var turns: [Turn] = []
        var tools = ""
        var toolChoice = ""
        var images: [String] = []
        var videos: [String] = []
        var audios: [String] = []

        var encoded: [UInt8] {
            ProtobufBytes.of { bytes in
                if !self.prompt.isEmpty { bytes.text(1, self.prompt) }
                for image in self.images { bytes.text(42, image) }
                bytes.number(43, 1)
                for turn in self.turns { bytes.data(44, turn.encoded) }
                for video in self.videos { bytes.text(45, video) }
                for audio in self.audios { bytes.text(46, audio) }
                bytes.text(48, self.tools)
                bytes.text(49, self.toolChoice)
            }
        }
    }

    /// Pieces of text that follow one another are one text.
    private static func parts(_ request: Request) throws -> [Part] {
        var parts: [Part] = []
        try request.encoded.withRawSpan {
            try PromptHint.readPredict($0, in: MessageArena()) { hint in
                hint.forEachCachePart { part, bytes in
                    switch part {
                    case .text:
                        if case .text(let before)? = parts.last {
                            parts[parts.count - 1] = .text(before + bytes.copied)
                        } else {
                            parts.append(.text(bytes.copied))
                        }
                    case .attachment: parts.append(.attachment(bytes.copied))
                    case .messageEnd: parts.append(.messageEnd)
                    }
                }
            }
        }
        return parts
    }

    private static var conversation: Request {
        Request(
            turns: [
                Turn(role: "system", content: "You are helpful."), Turn(role: "user", content: "What is this?"),
                Turn(role: "assistant", content: "A nest.", reasoning: "twigs", calls: "[{}]"),
                Turn(role: "tool", content: "42", name: "count", callID: "call-1"),
            ], tools: "[{\"name\":\"count\"}]", toolChoice: "auto", images: ["image one"])
    }

    @Test func `a prompt is one text, and its attachments stand behind it`() throws {
        let request = Request(prompt: "look", images: ["i"], videos: ["v"], audios: ["a"])
        #expect(
            try Self.parts(request) == [
                .text(Array("look".utf8)), .attachment(Array("i".utf8)), .attachment(Array("v".utf8)),
                .attachment(Array("a".utf8)),
            ])
    }

    @Test func `each message ends, and an image stands behind the user's message with its number`() throws {
        let parts = try Self.parts(Self.conversation)
        #expect(parts.count { $0 == .messageEnd } == 4)
        let image = try #require(parts.firstIndex(of: .attachment(Array("image one".utf8))))
        #expect(parts[..<image].count { $0 == .messageEnd } == 1 && parts[image + 1] == .messageEnd)
    }

    @Test func `the next turn goes on where this one ends`() throws {
        var request = Self.conversation
        var before = try Self.parts(request)
        for turn in 2...5 {
            request.turns.append(Turn(role: "assistant", content: "answer \(turn)"))
            request.turns.append(Turn(role: "user", content: "and then? \(turn)"))
            request.images.append("image \(turn)")
            let now = try Self.parts(request)
            #expect(Array(now.prefix(before.count)) == before)
            before = now
        }
    }

    typealias Change = @Sendable (inout Request) -> Void

    static let changes: [(String, Change)] = [
        ("tools", { $0.tools += " " }), ("tool choice", { $0.toolChoice = "none" }),
        ("role", { $0.turns[1].role = "system" }), ("content", { $0.turns[1].content += "?" }),
        ("name", { $0.turns[3].name = "sum" }), ("call id", { $0.turns[3].callID = "call-2" }),
        ("reasoning", { $0.turns[2].reasoning = "" }), ("calls", { $0.turns[2].calls = "[]" }),
        ("image", { $0.images[0] = "image two" }), ("image as video", { swap(&$0.images, &$0.videos) }),
        ("another image", { $0.images.append("image two") }), ("a message less", { $0.turns.removeLast() }),
        // The same bytes, in the field beside.
        (
            "content to name",
            {
                $0.turns[3].content = ""
                $0.turns[3].name = "count42"
            }
        ),
        (
            "tools to tool choice",
            {
                $0.toolChoice = $0.tools + $0.toolChoice
                $0.tools = ""
            }
        ),
    ]

    @Test(arguments: changes.map(\.0))
    func `whatever shapes the cache counts`(change: String) throws {
        let changed = try #require(Self.changes.first { $0.0 == change })
        var request = Self.conversation
        changed.1(&request)
        // Only that a video is no image the cache cannot tell, nor does it need to: the bytes are the same.
        #expect((try Self.parts(request) == Self.parts(Self.conversation)) == (change == "image as video"))
    }

    @Test func `messages count only where the worker renders them`() throws {
        var request = Self.conversation
        request.prompt = "rendered"
        #expect(try Self.parts(request) == [.text(Array("rendered".utf8)), .attachment(Array("image one".utf8))])
    }
}
