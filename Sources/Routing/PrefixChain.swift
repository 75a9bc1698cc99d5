import CXXHash

/// A prompt as chained block hashes: equal hashes at the same depth mean equal text from the start up to there.
///
/// ```
/// salt ──► h₀ = XXH64(LE64(salt) ‖ block₀) ──► h₁ = XXH64(LE64(h₀) ‖ block₁) ──► …          seed 0
/// ```
/// The same chain as LocalAI's for the same `blockBytes` and `maxBlocks`. The text may arrive in pieces of any size.
/// A chain is used again for the next prompt after `begin`: it keeps its memory and allocates nothing once it has
/// held a prompt of the same length.
package struct PrefixChain: Sendable {
    /// Size of a block; the last one of a prompt may be shorter.
    package let blockBytes: Int
    /// Blocks after which the rest of a prompt is ignored.
    package let maxBlocks: Int
    /// Bytes that took part: those behind the last block that counts did not.
    package private(set) var byteCount = 0

    private var hashes = ContiguousArray<UInt64>()
    /// Room for the previous hash and one block behind it, so that one call of the library hashes both. Copying a
    /// block here costs a few nanoseconds; the library's streaming state, which would spare the copy, costs 30.
    private var block: ContiguousArray<UInt8>
    /// Bytes of `block` behind the hash that are filled. Less than `blockBytes` between calls.
    private var filled = 0
    private var previous: UInt64 = 0
    private var isFinished = false

    private static let hashBytes = MemoryLayout<UInt64>.size

    /// Both at least 1.
    package init(blockBytes: Int, maxBlocks: Int) {
        precondition(blockBytes >= 1 && maxBlocks >= 1, "a chain has room for one block of one byte at least")
        self.blockBytes = blockBytes
        self.maxBlocks = maxBlocks
        self.block = ContiguousArray(repeating: 0, count: Self.hashBytes + blockBytes)
    }

    /// An empty chain for prompts of a cluster with these settings.
    package init(settings: RoutingSettings) {
        self.init(blockBytes: settings.blockBytes, maxBlocks: settings.maxBlocks)
    }

    /// What the first block is chained to: prompts of different models never match.
    package static func salt(model: String) -> UInt64 {
        var model = model
        return model.withUTF8 { unsafe XXH64($0.baseAddress, $0.count, 0) }
    }

    /// As `salt(model: String)`, of a name that is still bytes.
    package static func salt(model: RawSpan) -> UInt64 {
        unsafe model.withUnsafeBytes { unsafe XXH64($0.baseAddress, $0.count, 0) }
    }

    /// A digest of any bytes, with the same hash: to know options or a message again.
    package static func digest(_ bytes: [UInt8]) -> UInt64 {
        unsafe bytes.withUnsafeBytes { unsafe XXH64($0.baseAddress, $0.count, 0) }
    }

    /// As `salt(model: RawSpan)`.
    package static func salt(model: Span<UInt8>) -> UInt64 {
        unsafe self.salt(model: model.bytes)
    }

    /// Blocks so far. A block at the end that is shorter than `blockBytes` counts after `finish`.
    package var count: Int { self.hashes.count }

    /// No block: no hint for a pick.
    package var isEmpty: Bool { self.hashes.isEmpty }

    /// The hash of the text up to and with block `position`.
    package subscript(position: Int) -> UInt64 { self.hashes[position] }

    /// Nothing behind this point would take part: the caller may stop reading.
    package var isFull: Bool { self.hashes.count == self.maxBlocks }

    /// Forgets the last prompt and starts one of the model that `salt` was made of.
    package mutating func begin(salt: UInt64) {
        self.removeAll(keepingCapacity: true)
        self.previous = salt
    }

    /// Takes the next piece of the prompt. Not after `finish`.
    package mutating func append(_ bytes: RawSpan) {
        precondition(!self.isFinished, "a finished chain takes no more text")
        var offset = 0
        while offset < bytes.byteCount, !self.isFull {
            let piece = min(self.blockBytes - self.filled, bytes.byteCount - offset)
            self.fill(bytes.extracting(offset..<offset + piece))
            offset += piece
            if self.filled == self.blockBytes { self.closeBlock() }
        }
        self.byteCount += offset
    }

    /// As `append(_ bytes: RawSpan)`. Of bytes, the raw span shows nothing that the span did not.
    package mutating func append(_ bytes: Span<UInt8>) {
        unsafe self.append(bytes.bytes)
    }

    /// Ends the prompt: what is left over becomes its last, shorter block. A second call does nothing.
    package mutating func finish() {
        if self.filled > 0 { self.closeBlock() }
        self.isFinished = true
    }

    /// Back to an empty chain with salt zero.
    package mutating func removeAll(keepingCapacity: Bool) {
        self.hashes.removeAll(keepingCapacity: keepingCapacity)
        self.filled = 0
        self.previous = 0
        self.byteCount = 0
        self.isFinished = false
    }

    /// Bytes in the first `blocks` blocks.
    package func bytes(inFirst blocks: Int) -> Int {
        blocks >= self.count ? self.byteCount : blocks * self.blockBytes
    }

    private mutating func fill(_ bytes: RawSpan) {
        let start = Self.hashBytes + self.filled
        unsafe bytes.withUnsafeBytes { source in
            unsafe self.block.withUnsafeMutableBytes { room in
                unsafe UnsafeMutableRawBufferPointer(rebasing: room[start...]).copyMemory(from: source)
            }
        }
        self.filled += bytes.byteCount
    }

    private mutating func closeBlock() {
        let previous = self.previous.littleEndian
        let length = Self.hashBytes + self.filled
        self.previous = unsafe self.block.withUnsafeMutableBytes { room in
            unsafe room.storeBytes(of: previous, as: UInt64.self)
            return unsafe XXH64(room.baseAddress, length, 0)
        }
        self.hashes.append(self.previous)
        self.filled = 0
    }
}
