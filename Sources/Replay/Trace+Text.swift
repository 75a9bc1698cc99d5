import Routing

extension Trace {
    /// Bytes that stand for one token.
    private static let tokenBytes = 4

    /// The same requests with a text for each prompt: equal blocks become equal text, four bytes for each token. For
    /// workers that read prompts.
    package var withText: Trace {
        var trace = self
        for index in trace.requests.indices where trace.requests[index].prompt == nil {
            let request = trace.requests[index]
            var text: [UInt8] = []
            text.reserveCapacity(request.blocks.count * Self.blockTokens * Self.tokenBytes)
            for block in request.blocks { Self.append(block, to: &text) }
            text.removeLast(max(0, text.count - request.inputTokens * Self.tokenBytes))
            trace.requests[index].prompt = String(decoding: text, as: UTF8.self)
        }
        return trace
    }

    /// The text of one block: letters that its number decides.
    private static func append(_ block: UInt64, to text: inout [UInt8]) {
        var random = SplitMix64(seed: block)
        for _ in 0..<Self.blockTokens {
            var bits = random.next()
            for _ in 0..<Self.tokenBytes {
                text.append(UInt8(ascii: "a") + UInt8(bits % 26))
                bits >>= 8
            }
        }
    }
}
