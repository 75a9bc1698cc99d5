import Wire

/// gRPC messages cut anywhere: every cut gives the same messages, and the counter of whole ones agrees.
enum FrameFuzz {
    /// First byte: how long the pieces are.
    static func run(_ input: [UInt8]) {
        guard let control = input.first else { return }
        let bytes = Array(input.dropFirst())
        let whole = self.read(bytes, pieceBytes: max(1, bytes.count))
        let cut = self.read(bytes, pieceBytes: 1 + Int(control & 31))
        promise(whole.messages == cut.messages, "a cut changes no message")
        promise(whole.isRefused == cut.isRefused, "a cut changes no verdict")
    }

    private static func read(_ bytes: [UInt8], pieceBytes: Int) -> (messages: [[UInt8]], isRefused: Bool) {
        var reader = GRPCFrameReader(maxMessageBytes: 10_000)
        var messages: [[UInt8]] = []
        var rest = bytes[...]
        do throws(GRPCFrameProblem) {
            while !rest.isEmpty {
                let piece = Array(rest.prefix(pieceBytes))
                rest = rest.dropFirst(pieceBytes)
                try piece.withRawSpan { span throws(GRPCFrameProblem) in
                    try reader.read(span) { message, _ in messages.append(message.copied) }
                }
            }
            try reader.finish()
            return (messages, false)
        } catch {
            return (messages, true)
        }
    }
}
