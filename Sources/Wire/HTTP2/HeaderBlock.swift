internal import CNghttp2

/// One received header list: a request's, a response's, or trailers.
///
/// Nothing is copied: the names and values are nghttp2's reference-counted buffers, held until `removeAll`, and the
/// same buffers are handed to the other leg's session. Owned by one `HTTP2Stream`, on its loop.
/// Safe to use: the buffers never leave this module and each is given back exactly once.
@safe public final class HeaderBlock {
    @safe struct Field {
        let nameBuffer: OpaquePointer
        let valueBuffer: OpaquePointer
        /// What the two buffers hold: looked up once, used when a request is read and when it is passed on.
        let name: UnsafeBufferPointer<UInt8>
        let value: UnsafeBufferPointer<UInt8>
        let token: HeaderToken
        let sensitive: Bool

        /// Every caller sends this header, and with few values: worth a place in an HPACK table.
        var isOrdinary: Bool {
            switch self.token {
            case .method, .scheme, .authority, .path, .te, .userAgent, .status: true
            case .contentType: unsafe self.value.count == 16
            case .other, .grpcTimeout, .grpcStatus, .grpcMessage, .homingExplain, .authorization, .host, .requestID,
                .traceParent:
                false
            }
        }
    }

    /// `count` fields in memory of our own: an array would be checked and retained for each of a call's 22 headers.
    private var fields: UnsafeMutablePointer<Field>
    private var capacity = 16
    public private(set) var count = 0
    /// Bytes of all names and values plus 32 for each field, as RFC 9113 §6.5.2 counts a header list.
    public private(set) var size = 0

    public init() {
        unsafe self.fields = .allocate(capacity: self.capacity)
    }

    deinit {
        self.removeAll()
        unsafe self.fields.deallocate()
    }

    public var isEmpty: Bool { self.count == 0 }

    /// The field at a position below `count`.
    subscript(_ position: Int) -> Field {
        assert(position < self.count)
        return unsafe self.fields[position]
    }

    func append(name: OpaquePointer, value: OpaquePointer, flags: UInt8) {
        unsafe nghttp2_rcbuf_incref(name)
        unsafe nghttp2_rcbuf_incref(value)
        let nameBytes = unsafe Self.bytes(of: name)
        let valueBytes = unsafe Self.bytes(of: value)
        self.size += nameBytes.count + valueBytes.count + 32
        if self.count == self.capacity { self.grow() }
        unsafe (self.fields + self.count).initialize(
            to: Field(
                nameBuffer: name, valueBuffer: value, name: nameBytes, value: valueBytes,
                token: HeaderToken.of(nameBytes), sensitive: flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0))
        self.count += 1
    }

    private func grow() {
        self.capacity *= 2
        let larger = UnsafeMutablePointer<Field>.allocate(capacity: self.capacity)
        unsafe larger.moveInitialize(from: self.fields, count: self.count)
        unsafe self.fields.deallocate()
        unsafe self.fields = larger
    }

    public func removeAll() {
        for position in 0..<self.count {
            unsafe nghttp2_rcbuf_decref(self.fields[position].nameBuffer)
            unsafe nghttp2_rcbuf_decref(self.fields[position].valueBuffer)
        }
        self.count = 0
        self.size = 0
    }

    /// Whether the list has a header of this name.
    public func contains(_ token: HeaderToken) -> Bool { self.position(of: token) != nil }

    private func position(of token: HeaderToken) -> Int? {
        var position = 0
        while position < self.count {
            if unsafe self.fields[position].token == token { return position }
            position += 1
        }
        return nil
    }

    /// How many headers of this name the list has.
    public func count(of token: HeaderToken) -> Int {
        var count = 0
        for position in 0..<self.count where self[position].token == token { count += 1 }
        return count
    }

    /// Calls `body` with the value of the first header of this name; nil when there is none.
    public func withValue<Result>(_ token: HeaderToken, _ body: (RawSpan) -> Result) -> Result? {
        guard let position = self.position(of: token) else { return nil }
        return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(self.fields[position].value)))
    }

    /// The same for any name, in lower case.
    public func withValue<Result>(named name: [UInt8], _ body: (RawSpan) -> Result) -> Result? {
        for position in 0..<self.count where unsafe self[position].name.elementsEqual(name) {
            return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(self.fields[position].value)))
        }
        return nil
    }

    /// The value of the first header of this name as text, for logs and tests; ill-formed UTF-8 is replaced.
    public func string(_ token: HeaderToken) -> String? {
        self.withValue(token) { $0.text }
    }

    /// Every header in order as text, for logs and tests.
    public var strings: [(name: String, value: String)] {
        (0..<self.count).map { position in
            unsafe (
                String(decoding: self.fields[position].name, as: UTF8.self),
                String(decoding: self.fields[position].value, as: UTF8.self)
            )
        }
    }

    static func isContentType(_ name: OpaquePointer) -> Bool {
        unsafe HeaderToken.of(Self.bytes(of: name)) == .contentType
    }

    static func bytes(of buffer: OpaquePointer) -> UnsafeBufferPointer<UInt8> {
        let vector = unsafe nghttp2_rcbuf_get_buf(buffer)
        return unsafe UnsafeBufferPointer(start: vector.base, count: vector.len)
    }
}

extension HeaderBlock {
    /// Whether this is an informational response (1xx), which the final one follows.
    var isInformational: Bool {
        self.withValue(.status) { $0.byteCount == 3 && $0.byte(at: 0) == UInt8(ascii: "1") } ?? false
    }
}
