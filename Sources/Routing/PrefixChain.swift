import CXXHash

/// A prompt as chained block hashes: equal hashes at the same depth mean equal text from the start up to there.
///
/// ```
/// compatible   salt ──► h₀ = XXH64(LE64(salt) ‖ block₀) ──► h₁ = XXH64(LE64(h₀) ‖ block₁) ──► …      seed 0
/// own          salt ──► h₀ = mix(salt, XXH3(block₀))    ──► h₁ = mix(h₀, XXH3(block₁))    ──► …      seed 0
/// ```
/// In the compatible mode it is the same chain as LocalAI's for the same `blockBytes` and `maxBlocks`. In the own mode
/// blocks are 512 bytes long at first and a sixty-fourth of the depth later on, and `cut` ends one early, so that a
/// conversation's next turn matches all of this one. The text may arrive in pieces of any size; none of it is kept.
/// A chain is used again for the next prompt after `begin`: it keeps its memory and allocates nothing once it has
/// held a prompt of the same length.
public struct PrefixChain: Sendable {
    public let mode: ChainMode
    /// Size of a block in the compatible mode; the last one of a prompt may be shorter.
    public let blockBytes: Int
    /// Blocks after which the rest of a prompt is ignored.
    public let maxBlocks: Int
    /// Bytes after which the rest of a prompt is ignored.
    public let maxBytes: Int
    /// Bytes that took part: those behind the last block that counts did not.
    public private(set) var byteCount = 0

    private var hashes = ContiguousArray<UInt64>()
    /// Bytes of the prompt up to the end of each block.
    private var ends = ContiguousArray<UInt32>()
    /// In the compatible mode, room for the previous hash and one block behind it, so that one call of the library hashes
    /// both: copying a block here costs a few nanoseconds; the library's streaming state, which would spare the copy,
    /// costs 30. In the own mode, what has come of a block that began in an earlier piece.
    private var block: ContiguousArray<UInt8>
    /// Bytes of `block` behind the hash that are filled. Less than a block between calls.
    private var filled = 0
    /// Size of the block that is being filled.
    private var target: Int
    private var previous: UInt64 = 0
    private var isFinished = false

    private static let hashBytes = MemoryLayout<UInt64>.size
    /// Sizes of blocks in the own mode: a sixty-fourth of the depth, as a power of two, between these.
    private static let smallestBlock = 512
    private static let largestBlock = 16_384

    private init(mode: ChainMode, blockBytes: Int, maxBlocks: Int, maxBytes: Int) {
        precondition(blockBytes >= 1 && maxBlocks >= 1 && maxBytes >= 1, "a chain has room for one block of one byte")
        self.mode = mode
        self.blockBytes = blockBytes
        self.maxBlocks = maxBlocks
        self.maxBytes = min(maxBytes, Int(UInt32.max))
        self.target = blockBytes
        self.block = ContiguousArray(repeating: 0, count: Self.hashBytes + blockBytes)
    }

    /// A chain of the compatible mode. Both at least 1.
    public init(blockBytes: Int, maxBlocks: Int) {
        let (maxBytes, overflows) = blockBytes.multipliedReportingOverflow(by: maxBlocks)
        self.init(
            mode: .compatible, blockBytes: blockBytes, maxBlocks: maxBlocks, maxBytes: overflows ? .max : maxBytes)
    }

    /// A chain of the own mode for prompts of up to `maxBytes`, at least 1; the rest of a longer one is ignored.
    public init(maxBytes: Int) {
        self.init(mode: .own, blockBytes: Self.smallestBlock, maxBlocks: 16_384, maxBytes: maxBytes)
    }

    /// An empty chain for prompts of a cluster with these settings.
    public init(settings: RoutingSettings) {
        switch settings.chain {
        case .compatible: self.init(blockBytes: settings.blockBytes, maxBlocks: settings.maxBlocks)
        case .own: self.init(maxBytes: settings.maxPromptBytes)
        }
    }

    /// What the first block is chained to: prompts of different models never match.
    public static func salt(model: String) -> UInt64 {
        var model = model
        return model.withUTF8 { unsafe XXH64($0.baseAddress, $0.count, 0) }
    }

    /// As `salt(model: String)`, of a name that is still bytes.
    public static func salt(model: RawSpan) -> UInt64 {
        unsafe model.withUnsafeBytes { unsafe XXH64($0.baseAddress, $0.count, 0) }
    }

    /// A digest of any bytes, with the same hash: to know options or a message again.
    /// - Parameter seed: another seed makes another digest of the same bytes.
    public static func digest(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 {
        unsafe bytes.withUnsafeBytes { unsafe XXH64($0.baseAddress, $0.count, seed) }
    }

    /// As `salt(model: RawSpan)`.
    public static func salt(model: Span<UInt8>) -> UInt64 {
        unsafe self.salt(model: model.bytes)
    }

    /// Blocks so far. A block at the end that is shorter than it could be counts after `cut` or `finish`.
    public var count: Int { self.hashes.count }

    /// No block: no hint for a pick.
    public var isEmpty: Bool { self.hashes.isEmpty }

    /// The hash of the text up to and with block `position`.
    public subscript(position: Int) -> UInt64 { self.hashes[position] }

    /// Nothing behind this point would take part: the caller may stop reading.
    public var isFull: Bool { self.hashes.count == self.maxBlocks || self.byteCount >= self.maxBytes }

    /// Forgets the last prompt and starts one of the model that `salt` was made of.
    public mutating func begin(salt: UInt64) {
        self.removeAll(keepingCapacity: true)
        self.previous = salt
    }

    /// Takes the next piece of the prompt. Not after `finish`.
    public mutating func append(_ bytes: RawSpan) {
        precondition(!self.isFinished, "a finished chain takes no more text")
        var offset = 0
        let most = min(bytes.byteCount, self.maxBytes - self.byteCount)
        while offset < most, self.hashes.count < self.maxBlocks {
            let piece = min(self.target - self.filled, most - offset)
            let part = bytes.extracting(offset..<offset + piece)
            offset += piece
            self.byteCount += piece
            // A block that is all here is hashed where it is.
            if self.mode == .own, piece == self.target {
                self.close(over: part)
            } else {
                self.fill(part)
                if self.filled == self.target { self.closeBlock() }
            }
        }
    }

    /// As `append(_ bytes: RawSpan)`. Of bytes, the raw span shows nothing that the span did not.
    public mutating func append(_ bytes: Span<UInt8>) {
        unsafe self.append(bytes.bytes)
    }

    /// Takes what stands for an attachment: bytes that shape the cache and are no text.
    public mutating func append(digestOf bytes: RawSpan) {
        let digest = unsafe bytes.withUnsafeBytes { unsafe Self.hash($0) }
        unsafe withUnsafeBytes(of: digest) { unsafe self.append($0.bytes) }
    }

    /// Takes a block that was hashed elsewhere: `content` says what is in it alone, `bytes` how long it is. For traces,
    /// which name blocks and show no text.
    public mutating func append(block content: UInt64, bytes: Int) {
        guard !self.isFull else { return }
        let linked: InlineArray<2, UInt64> = [self.previous, content]
        self.previous = unsafe linked.span.withUnsafeBytes { unsafe XXH64($0.baseAddress, $0.count, 0) }
        self.byteCount += bytes
        self.add(self.previous)
    }

    /// Ends a block here, at a message's end. Does nothing in the compatible mode.
    public mutating func cut() {
        if self.mode == .own, self.filled > 0, self.hashes.count < self.maxBlocks { self.closeBlock() }
    }

    /// Ends the prompt: what is left over becomes its last, shorter block. A second call does nothing.
    public mutating func finish() {
        if self.filled > 0 { self.closeBlock() }
        self.isFinished = true
    }

    /// Back to an empty chain with salt zero.
    public mutating func removeAll(keepingCapacity: Bool) {
        self.hashes.removeAll(keepingCapacity: keepingCapacity)
        self.ends.removeAll(keepingCapacity: keepingCapacity)
        self.filled = 0
        self.target = self.blockBytes
        self.previous = 0
        self.byteCount = 0
        self.isFinished = false
    }

    /// Bytes in the first `blocks` blocks.
    public func bytes(inFirst blocks: Int) -> Int {
        blocks <= 0 ? 0 : blocks >= self.count ? self.byteCount : Int(self.ends[blocks - 1])
    }

    /// Bytes in block `position`.
    func bytes(of position: Int) -> Int {
        Int(self.ends[position]) - (position > 0 ? Int(self.ends[position - 1]) : 0)
    }

    /// The hash of the blocks that begin within the first `bytes`; nil when there is no block.
    func hash(ofFirst bytes: Int) -> UInt64? {
        guard !self.isEmpty else { return nil }
        var position = 0
        while position + 1 < self.count, Int(self.ends[position]) < bytes { position += 1 }
        return self.hashes[position]
    }

    private mutating func fill(_ bytes: RawSpan) {
        let start = Self.hashBytes + self.filled
        if self.block.count < Self.hashBytes + self.target {
            self.block.append(
                contentsOf: repeatElement(0, count: Self.hashBytes + self.target - self.block.count))
        }
        unsafe bytes.withUnsafeBytes { source in
            unsafe self.block.withUnsafeMutableBytes { room in
                unsafe UnsafeMutableRawBufferPointer(rebasing: room[start...]).copyMemory(from: source)
            }
        }
        self.filled += bytes.byteCount
    }

    private mutating func close(over bytes: RawSpan) {
        self.previous = Self.mix(self.previous, unsafe bytes.withUnsafeBytes { unsafe Self.hash($0) })
        self.add(self.previous)
    }

    /// XXH3 of one block, with the widest instructions that the processor has.
    @inline(__always)
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        #if arch(x86_64)
            unsafe XXH3_64bits_dispatch(bytes.baseAddress, bytes.count)
        #else
            unsafe XXH3_64bits(bytes.baseAddress, bytes.count)
        #endif
    }

    /// Chains a block to those before it: both halves of a product. Cheaper than a seed, of which the library would make a
    /// secret of its own for each block.
    @inline(__always)
    private static func mix(_ previous: UInt64, _ hash: UInt64) -> UInt64 {
        let product = (previous ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: hash ^ 0xD6E8_FEB8_6659_FD93)
        return product.high ^ product.low
    }

    private mutating func closeBlock() {
        let previous = self.previous
        let length = self.filled
        let mode = self.mode
        self.previous = unsafe self.block.withUnsafeMutableBytes { room in
            switch mode {
            case .compatible:
                unsafe room.storeBytes(of: previous.littleEndian, as: UInt64.self)
                return unsafe XXH64(room.baseAddress, Self.hashBytes + length, 0)
            case .own:
                let text = unsafe UnsafeRawBufferPointer(rebasing: room[Self.hashBytes..<Self.hashBytes + length])
                return Self.mix(previous, unsafe Self.hash(text))
            }
        }
        self.filled = 0
        self.add(self.previous)
    }

    private mutating func add(_ hash: UInt64) {
        self.hashes.append(hash)
        self.ends.append(UInt32(self.byteCount))
        guard self.mode == .own else { return }
        let share = self.byteCount / 64
        self.target =
            share <= Self.smallestBlock
            ? Self.smallestBlock : min(Self.largestBlock, 1 << (Int.bitWidth - 1 - share.leadingZeroBitCount))
    }
}
