/// The attached streams of one session by identifier. Every frame asks for its stream, and nghttp2's table, which knows
/// them all, takes 35 instructions and two cache lines more.
///
/// A stream has one place, which it may lose to another; then nghttp2 is asked again.
/// Safe to use: a stream is removed when nghttp2 closes it, or all are with their connection, and is the session's until
/// then; the memory is freed once, in deinit.
@safe struct StreamCache: ~Copyable {
    private var streams: UnsafeMutablePointer<Unmanaged<HTTP2Stream>?>?
    /// A power of two, or 0 until the first stream comes: an idle connection needs none.
    private var capacity = 0

    init() {}

    deinit { unsafe self.streams?.deallocate() }

    /// All identifiers of one side are odd.
    private func place(of id: Int32) -> Int { Int(id >> 1) & (self.capacity &- 1) }

    /// Nil when it is not here; there may be such a stream all the same.
    @inline(__always)
    func find(_ id: Int32) -> Unmanaged<HTTP2Stream>? {
        guard let streams = unsafe self.streams, let stream = unsafe streams[self.place(of: id)],
            unsafe stream._withUnsafeGuaranteedRef({ $0.id == id })
        else { return nil }
        return unsafe stream
    }

    /// - Parameter count: how many streams are attached; as many have room.
    mutating func insert(_ stream: Unmanaged<HTTP2Stream>, _ id: Int32, among count: Int) {
        if count > self.capacity { self.grow(to: count) }
        unsafe self.streams![self.place(of: id)] = stream
    }

    mutating func remove(_ id: Int32) {
        if let streams = unsafe self.streams { unsafe streams[self.place(of: id)] = nil }
    }

    mutating func removeAll() {
        if let streams = unsafe self.streams { unsafe streams.update(repeating: nil, count: self.capacity) }
    }

    @inline(never)
    private mutating func grow(to count: Int) {
        while self.capacity < count { self.capacity = max(4, self.capacity * 2) }
        // Those that were here are found again when they are asked for.
        unsafe self.streams?.deallocate()
        unsafe self.streams = .allocate(capacity: self.capacity)
        unsafe self.streams!.initialize(repeating: nil, count: self.capacity)
    }
}
