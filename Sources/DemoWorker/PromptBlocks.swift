/// A text as the KV cache sees it: a chain of hashes, one for each whole block of `blockTokens` tokens. Each hash covers
/// everything before it, so equal hashes mean equal beginnings.
///
/// A token is simply four bytes: about what tokens of English text are.
struct PromptBlocks: Sendable, Equatable {
    /// Bytes that count as one token.
    static let tokenBytes = 4
    /// Tokens of one cache block.
    static let blockTokens = 16

    /// Hashes of the whole blocks, from the first.
    private(set) var hashes: [UInt64] = []
    /// Bytes of the text so far.
    private(set) var byteCount = 0
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    init(_ text: [UInt8] = []) {
        self.append(text)
    }

    /// Tokens of a text of `bytes` bytes; the last one may be shorter.
    static func tokens(ofBytes bytes: Int) -> Int {
        (bytes + self.tokenBytes - 1) / self.tokenBytes
    }

    var tokens: Int { Self.tokens(ofBytes: self.byteCount) }

    /// A number that is the same for the same text.
    var digest: UInt64 { Self.mixed(self.state) }

    mutating func append(_ text: [UInt8]) {
        let blockBytes = Self.blockTokens * Self.tokenBytes
        for byte in text {
            // FNV-1a.
            self.state = (self.state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
            self.byteCount += 1
            if self.byteCount % blockBytes == 0 { self.hashes.append(Self.mixed(self.state)) }
        }
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
