import Wire

/// Predict and every other request decoded for routing: read or refused, and the arena serves the next one.
enum MessageFuzz {
    private static let good: [UInt8] = {
        var options = PredictOptions()
        options.prompt = Array("hello".utf8)
        return options.encoded()
    }()
    nonisolated(unsafe) private static let arena = MessageArena()

    static func run(_ input: [UInt8]) {
        let arena = unsafe self.arena
        input.withRawSpan { message in
            _ = try? PromptHint.readPredict(message, in: arena) { (hint: borrowing PromptHint) -> Int in
                var bytes = 0
                hint.forEachTextPart { bytes += $0.byteCount }
                hint.withModelIdentity { bytes += $0.byteCount }
                // Names and line feeds are added between messages, nothing else.
                promise(bytes <= 2 * message.byteCount + 16, "a hint shows what the message holds")
                return bytes
            }
            _ = try? PromptHint.readScore(message, in: arena) { (hint: borrowing PromptHint) -> Void in
                hint.forEachTextPart { _ in }
            }
            for method in BackendMethod.allCases {
                _ = try? ModelIdentity.read(message, of: method, in: arena) { _ in }
            }
        }
        _ = try? ModelOptions(decoding: input)
        var prompt: [UInt8] = []
        self.good.withRawSpan { message in
            _ = try? PromptHint.readPredict(message, in: arena) { (hint: borrowing PromptHint) -> Void in
                hint.forEachTextPart { prompt += $0.copied }
            }
        }
        promise(prompt == Array("hello".utf8), "a bad message leaves the arena as good as new")
    }
}
