package import Wire

/// What the simulated model says: the same words for the same prompt, whichever worker is asked, so that a test can tell
/// a right answer from another stream's.
package enum AnswerText {
    /// Each is one token: four bytes with the space in front of it.
    private static let words = [
        "the", "old", "jay", "fly", "far", "sky", "sun", "sea", "day", "eve", "wax", "elm", "oak", "ash", "ivy", "nut",
        "egg", "wet", "dry", "low", "red", "tan", "sly", "shy", "hop", "nip", "dip", "sip", "eat", "rug", "air", "fog",
    ]

    /// The tokens of an answer of `count` tokens to a prompt with this digest.
    static func tokens(for digest: UInt64, count: Int) -> [[UInt8]] {
        var state = digest
        return (0..<max(0, count)).map { _ in
            state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
            return Array((" " + self.words[Int(state >> 59)]).utf8)
        }
    }

    /// The whole answer of `count` tokens that any worker gives to `options`.
    package static func answer(to options: PredictOptions, count: Int) -> String {
        let blocks = PromptBlocks(self.rendered(options))
        return String(decoding: self.tokens(for: blocks.digest, count: count).joined(), as: UTF8.self)
    }

    /// The text that a request puts in front of the model: the rendered conversation when it asks for the template and
    /// has one, else its prompt as it is.
    ///
    /// It ends where the answer begins, and the next turn of the same conversation begins with it and the answer.
    static func rendered(_ options: PredictOptions) -> [UInt8] {
        guard options.usesTokenizerTemplate, !options.messages.isEmpty else { return options.prompt }
        let lineFeed = UInt8(ascii: "\n")
        var text: [UInt8] = []
        for part in [options.tools, options.toolChoice] where !part.isEmpty { text += part + [lineFeed] }
        for message in options.messages { text += message.role + [lineFeed] + message.content + [lineFeed] }
        return text + Array("assistant\n".utf8)
    }
}
