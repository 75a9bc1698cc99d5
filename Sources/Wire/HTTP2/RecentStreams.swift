/// The last streams that a caller opened on one connection, and which of them it ended itself.
///
/// A frame on a stream that the caller ended is an error; one on a stream that we ended may have been under way
/// (RFC 9113 §5.1). Of older streams nothing is known, and they are given the benefit of the doubt.
struct RecentStreams {
    /// Identifiers in the order of opening, so ascending; the top bit says that the caller has ended it.
    /// An array, for a search in an `InlineArray` copies it whole with every look. It grows with the connection's calls, in
    /// powers of two: most of a thousand idle connections had few.
    private var ring = ContiguousArray<UInt32>(repeating: 0, count: 8)
    private static let most = 64
    private var count = 0
    /// The highest identifier so far.
    private(set) var last: UInt32 = 0

    private static let endedBit: UInt32 = 0x8000_0000

    private var mask: Int { self.ring.count - 1 }

    mutating func open(_ stream: UInt32) {
        if self.count == self.ring.count, self.count < Self.most {
            // Nothing has been overwritten yet, so every entry keeps its place.
            self.ring.append(contentsOf: repeatElement(0, count: self.count))
        }
        self.ring[self.count & self.mask] = stream
        self.count += 1
        self.last = stream
    }

    mutating func end(_ stream: UInt32) {
        if let place = self.place(of: stream) { self.ring[place] |= Self.endedBit }
    }

    /// What is wrong with DATA or HEADERS on this stream; nil when nothing is known to be.
    func offence(of stream: UInt32) -> HTTP2Offence? {
        if let place = self.place(of: stream) {
            return self.ring[place] & Self.endedBit != 0 ? .streamClosed : nil
        }
        guard stream & 1 == 1, stream < self.last else { return nil }
        // Between two known ones, or below the very first: it was left out, and is closed for ever (§5.1.1).
        let oldest = self.count <= Self.most ? 0 : self.ring[self.count & self.mask] & ~Self.endedBit
        return stream > oldest ? .unexpectedStream : nil
    }

    private func place(of stream: UInt32) -> Int? {
        var low = max(0, self.count - Self.most)
        var high = self.count - 1
        // Most callers use every second identifier, so this one tells its place.
        let guess = high - Int(self.last &- stream) / 2
        let place = guess & self.mask
        if guess >= low, guess <= high, self.ring[place] & ~Self.endedBit == stream { return place }
        while low <= high {
            let middle = (low + high) / 2
            let found = self.ring[middle & self.mask] & ~Self.endedBit
            if found == stream { return middle & self.mask }
            if found < stream { low = middle + 1 } else { high = middle - 1 }
        }
        return nil
    }
}
