internal import CProtobufC
internal import Glibc

/// The memory in which libprotobuf-c builds one message at a time.
///
///     [ used │ free ]            a message is built by moving one cursor;
///     [ used ] [ used │ free ]   a larger one adds regions, up to `limit` in all;
///     [ free          ]          the next message starts over in one region of at most `retained` bytes.
///
/// So decoding costs no malloc per field, and bytes that claim millions of tiny fields run into `limit` instead of
/// taking the process's memory.
///
/// Lives on one loop, or within one call. Not shared.
/// Safe to use: the pointers never leave Wire, are only lent to a closure while `isLent`, and are freed in deinit.
@safe public final class MessageArena {
    /// Bytes that one message may take when nobody says otherwise: five times the largest gRPC message of the protocol.
    public static let defaultLimit = 256 * 1024 * 1024
    /// Bytes that are kept from one message to the next when nobody says otherwise.
    public static let defaultRetained = 1024 * 1024

    /// What the C callbacks work on. Never moves, because libprotobuf-c holds its address during a call.
    private let regions: UnsafeMutablePointer<ArenaRegions>
    private let allocator: UnsafeMutablePointer<ProtobufCAllocator>
    private let retained: Int
    /// Whether a message built here is being looked at right now.
    private var isLent = false

    /// - Parameters:
    ///   - limit: most bytes that one message may take, at least 0; past it decoding fails with `tooLarge`.
    ///   - retained: most bytes that are kept between messages, at least 0.
    public init(limit: Int = MessageArena.defaultLimit, retained: Int = MessageArena.defaultRetained) {
        precondition(limit >= 0 && retained >= 0, "an arena cannot be smaller than nothing")
        self.retained = retained
        unsafe self.regions = .allocate(capacity: 1)
        unsafe self.regions.initialize(to: ArenaRegions(limit: limit))
        unsafe self.allocator = .allocate(capacity: 1)
        unsafe self.allocator.initialize(
            to: ProtobufCAllocator(
                alloc: arenaAllocate, free: arenaFree, allocator_data: UnsafeMutableRawPointer(self.regions)))
    }

    deinit {
        unsafe self.regions.pointee.freeAll()
        unsafe self.regions.deinitialize(count: 1)
        unsafe self.regions.deallocate()
        unsafe self.allocator.deinitialize(count: 1)
        unsafe self.allocator.deallocate()
    }

    /// Bytes of memory held at this moment.
    public var heldBytes: Int { unsafe self.regions.pointee.total }

    /// Decodes `message` with one of protoc-c's unpack functions and lends the result to `body`. The C message and
    /// everything it points to is gone when this returns.
    func decode<C, R>(
        _ message: RawSpan,
        with unpack: (
            UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
        ) -> UnsafeMutablePointer<C>?,
        _ body: (UnsafeMutablePointer<C>) -> R
    ) throws(MessageProblem) -> R {
        self.lend()
        defer { self.takeBack() }
        let decoded = unsafe message.withUnsafeBytes { bytes in
            // An empty message may have no address, which libprotobuf-c takes only together with the length zero.
            unsafe unpack(self.allocator, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        }
        guard let decoded = unsafe decoded else {
            throw unsafe self.regions.pointee.hasRefused ? .tooLarge : .malformed
        }
        return unsafe body(decoded)
    }

    /// Lends the arena to `body` for building a message of our own.
    func build<R>(_ body: () -> R) -> R {
        self.lend()
        defer { self.takeBack() }
        return body()
    }

    /// Uninitialised room for `count` values, valid until the message is finished. Nil past the limit.
    func room<T>(for count: Int, of type: T.Type) -> UnsafeMutablePointer<T>? {
        precondition(MemoryLayout<T>.alignment <= ArenaRegions.alignment, "protobuf-c has no such alignment")
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
        guard !overflow, let room = unsafe self.regions.pointee.take(bytes) else { return nil }
        return unsafe room.bindMemory(to: type, capacity: count)
    }

    private func lend() {
        precondition(!self.isLent, "an arena holds one message at a time")
        self.isLent = true
    }

    private func takeBack() {
        unsafe self.regions.pointee.startOver(keeping: self.retained)
        self.isLent = false
    }
}

/// The regions of an arena: all are full but the last.
///
/// Safe to use: regions are freed once, by the arena that owns this value; what `take` hands out is the arena's to bound.
@safe private struct ArenaRegions {
    /// malloc's own would be 16, but no field of a protobuf-c message needs more than a pointer does.
    static let alignment = 8
    /// The first region: an ordinary chat request without its text.
    private static let smallest = 4096

    private let limit: Int
    private var regions: [UnsafeMutableRawPointer] = unsafe []
    /// The next byte to hand out.
    private var cursor: UnsafeMutableRawPointer?
    /// Bytes behind the cursor.
    private var free = 0
    /// Bytes of all regions.
    private(set) var total = 0
    /// Whether this message has asked for more than the limit.
    private(set) var hasRefused = false

    init(limit: Int) {
        self.limit = limit
    }

    /// Returns aligned room of `size` bytes, or nil when that would exceed the limit or memory is out.
    mutating func take(_ size: Int) -> UnsafeMutableRawPointer? {
        // A length of 2^63 or more arrives here as a negative number.
        guard size >= 0, size <= self.limit, size < .max - Self.alignment else {
            self.hasRefused = true
            return nil
        }
        let rounded = (size + Self.alignment - 1) & ~(Self.alignment - 1)
        if unsafe self.cursor == nil || rounded > self.free {
            guard self.grow(by: rounded) else { return nil }
        }
        guard let room = unsafe self.cursor else { return nil }
        unsafe self.cursor = room + rounded
        self.free -= rounded
        return unsafe room
    }

    private mutating func grow(by size: Int) -> Bool {
        let capacity = min(max(size, self.total, Self.smallest), self.limit - self.total)
        guard capacity >= size, let region = unsafe malloc(max(capacity, 1)) else {
            self.hasRefused = true
            return false
        }
        unsafe self.regions.append(region)
        unsafe self.cursor = region
        self.free = capacity
        self.total += capacity
        return true
    }

    /// Forgets the message. What it needed is kept as one region, if that is not more than `retained` bytes.
    mutating func startOver(keeping retained: Int) {
        self.hasRefused = false
        if self.total <= retained, unsafe self.regions.count == 1 {
            unsafe self.cursor = self.regions[0]
            self.free = self.total
            return
        }
        let kept = min(self.total, retained) & ~(Self.alignment - 1)
        self.freeAll()
        if kept > 0 { _ = self.grow(by: kept) }
        self.hasRefused = false
    }

    mutating func freeAll() {
        for index in unsafe self.regions.indices { unsafe Glibc.free(self.regions[index]) }
        unsafe self.regions.removeAll(keepingCapacity: true)
        unsafe self.cursor = nil
        self.free = 0
        self.total = 0
    }
}

// MARK: - C entry points

private func arenaAllocate(_ regions: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
    guard let regions = unsafe regions?.assumingMemoryBound(to: ArenaRegions.self) else { return nil }
    return unsafe regions.pointee.take(size)
}

/// Single pieces are not given back: the whole message goes at once.
private func arenaFree(_ regions: UnsafeMutableRawPointer?, _ piece: UnsafeMutableRawPointer?) {}
