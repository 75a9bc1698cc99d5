import NIOCore

/// How large a buffer the next read of a connection gets: small until one is filled, then for good the size with which
/// reading costs least. Most connections of callers are idle, and a buffer stays with each.
struct ReadBufferSize: RecvByteBufferAllocator {
    private static let small = 2 * 1024
    private static let large = 64 * 1024
    private var size = ReadBufferSize.small

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: self.size) }

    func nextBufferSize() -> Int? { self.size }

    mutating func record(actualReadBytes: Int) -> Bool {
        guard self.size < Self.large, actualReadBytes >= self.size else { return false }
        self.size = Self.large
        return true
    }
}
