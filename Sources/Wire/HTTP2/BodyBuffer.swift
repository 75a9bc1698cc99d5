internal import Glibc

/// The bytes that one stream still has to send, in order.
///
/// ```
/// start            framed                       end        capacity
///   │ kept for a retry │ still to be put in frames │ free space │
/// ```
/// While `keepsFramedBytes` is true, bytes that have been put in frames stay, so that `rewind` can send them again to
/// another replica; after `dropFramedBytes` they go as they are framed.
/// Owned by one `HTTP2Stream`, on its loop. Safe to use: the region never leaves this type and is freed in `free`.
@safe struct BodyBuffer: ~Copyable {
    private var region: UnsafeMutableRawPointer?
    private var capacity = 0
    private var framed = 0
    private var end = 0
    private(set) var keepsFramedBytes = false

    /// A region up to this size stays with the stream object when it is reused.
    static let keptCapacity = 64 * 1024

    init() {}

    deinit { unsafe Glibc.free(self.region) }

    /// Bytes that are still to be put in frames.
    var unframedCount: Int { self.end - self.framed }
    /// All bytes that are held: unframed ones and those kept for a retry.
    var heldCount: Int { self.keepsFramedBytes ? self.end : self.unframedCount }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        if !self.keepsFramedBytes, self.framed == self.end { (self.framed, self.end) = (0, 0) }
        if self.end + bytes.count > self.capacity { self.makeRoom(for: bytes.count) }
        unsafe memcpy(self.region! + self.end, base, bytes.count)
        self.end += bytes.count
    }

    /// Calls `body` with the next `count` unframed bytes and counts them as framed.
    mutating func frame(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard count > 0 else { return }
        precondition(count <= self.unframedCount, "a frame takes only bytes that are there")
        unsafe body(UnsafeRawBufferPointer(start: self.region! + self.framed, count: count))
        self.framed += count
    }

    /// Calls `body` with all unframed bytes.
    func withUnframed<Result>(_ body: (RawSpan) -> Result) -> Result {
        let start = unsafe self.region.map { unsafe UnsafeRawPointer($0 + self.framed) }
        return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: start, count: self.unframedCount)))
    }

    mutating func keepFramedBytes() {
        precondition(self.framed == 0, "bytes are kept from the first one or not at all")
        self.keepsFramedBytes = true
    }

    mutating func dropFramedBytes() { self.keepsFramedBytes = false }

    /// Everything that was framed is unframed again; returns how many bytes that are. Only while framed bytes are kept.
    mutating func rewind() -> Int {
        precondition(self.keepsFramedBytes || self.framed == 0, "bytes that were let go cannot be sent again")
        defer { self.framed = 0 }
        return self.framed
    }

    /// Forgets all bytes; a small region is kept for the next stream.
    mutating func removeAll() {
        (self.framed, self.end, self.keepsFramedBytes) = (0, 0, false)
        if self.capacity > Self.keptCapacity {
            unsafe Glibc.free(self.region)
            unsafe self.region = nil
            self.capacity = 0
        }
    }

    private mutating func makeRoom(for count: Int) {
        if !self.keepsFramedBytes, self.framed > 0, self.unframedCount + count <= self.capacity {
            unsafe memmove(self.region!, self.region! + self.framed, self.unframedCount)
            (self.framed, self.end) = (0, self.unframedCount)
            return
        }
        self.capacity = max(512, self.capacity * 2, self.end + count)
        guard let larger = unsafe realloc(self.region, self.capacity) else {
            fatalError("out of memory for a stream's body")
        }
        unsafe self.region = larger
    }
}
