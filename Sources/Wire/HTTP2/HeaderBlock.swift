internal import CNghttp2

/// One received header list: a request's, a response's, or trailers.
///
/// Nothing is copied: the names and values are nghttp2's reference-counted buffers, held until `removeAll`, and the
/// same buffers are handed to the other leg's session. Owned by one `HTTP2Stream`, on its loop.
/// Safe to use: the buffers never leave this module and each is given back exactly once.
@safe public final class HeaderBlock {
    @safe struct Field {
        /// As it is passed on, without white space around the value, which HTTP/2 does not allow (RFC 9113 §8.2.1) and gRPC
        /// lets us take away.
        let vector: nghttp2_nv
        /// What hold the bytes of the name and the value.
        let nameBuffer: OpaquePointer
        let valueBuffer: OpaquePointer
        /// Bytes of both as they came, white space included.
        let byteCount: Int
        let token: HeaderToken
        /// Every caller sends this header, and with few values: worth a place in an HPACK table.
        let isOrdinary: Bool

        init(_ nameBuffer: OpaquePointer, _ valueBuffer: OpaquePointer, isSensitive: Bool) {
            let name = unsafe nghttp2_rcbuf_get_buf(nameBuffer)
            var value = unsafe nghttp2_rcbuf_get_buf(valueBuffer)
            self.byteCount = unsafe name.len + value.len
            unsafe Self.trim(&value)
            var flags = NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue
            if isSensitive { flags |= NGHTTP2_NV_FLAG_NO_INDEX.rawValue }
            unsafe self.vector = nghttp2_nv(
                name: name.base, value: value.base, namelen: name.len, valuelen: value.len, flags: UInt8(flags))
            unsafe self.nameBuffer = nameBuffer
            unsafe self.valueBuffer = valueBuffer
            self.token = unsafe HeaderToken.of(UnsafeBufferPointer(start: name.base, count: name.len))
            self.isOrdinary = self.token.isOrdinary(valueBytes: unsafe value.len)
        }

        var name: UnsafeBufferPointer<UInt8> {
            unsafe UnsafeBufferPointer(start: self.vector.name, count: self.vector.namelen)
        }
        var value: UnsafeBufferPointer<UInt8> {
            unsafe UnsafeBufferPointer(start: self.vector.value, count: self.vector.valuelen)
        }

        /// The peer wants it kept out of HPACK tables (RFC 7541 §7.1.3).
        var isSensitive: Bool { unsafe self.vector.flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0 }

        private static func trim(_ value: inout nghttp2_vec) {
            while unsafe value.len > 0, unsafe Self.isWhite(value.base[0]) {
                unsafe value.base += 1
                unsafe value.len -= 1
            }
            while unsafe value.len > 0, unsafe Self.isWhite(value.base[value.len - 1]) { unsafe value.len -= 1 }
        }

        @inline(__always)
        private static func isWhite(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    }

    /// `count` fields in memory of our own: an array would be checked and retained for each of a call's 22 headers.
    /// None until the first header comes: of a call's four lists one is nearly always empty, and two have three headers.
    private var fields: UnsafeMutablePointer<Field>?
    private var capacity = 0
    public private(set) var count = 0
    /// Bytes of all names and values plus 32 for each field, as RFC 9113 §6.5.2 counts a header list.
    public private(set) var size = 0

    public init() {}

    deinit {
        self.removeAll()
        unsafe self.fields?.deallocate()
    }

    public var isEmpty: Bool { self.count == 0 }

    /// The field at a position below `count`.
    subscript(_ position: Int) -> Field {
        assert(position < self.count)
        return unsafe self.fields![position]
    }

    func append(name: OpaquePointer, value: OpaquePointer, flags: UInt8) {
        unsafe nghttp2_rcbuf_incref(name)
        unsafe nghttp2_rcbuf_incref(value)
        if self.count == self.capacity { self.grow() }
        let field = unsafe Field(name, value, isSensitive: flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0)
        unsafe (self.fields! + self.count).initialize(to: field)
        self.size += field.byteCount + 32
        self.count += 1
    }

    private func grow() {
        self.capacity = max(4, self.capacity * 2)
        let larger = UnsafeMutablePointer<Field>.allocate(capacity: self.capacity)
        if let fields = unsafe self.fields {
            unsafe larger.moveInitialize(from: fields, count: self.count)
            unsafe fields.deallocate()
        }
        unsafe self.fields = larger
    }

    public func removeAll() {
        for position in 0..<self.count {
            unsafe nghttp2_rcbuf_decref(self.fields![position].nameBuffer)
            unsafe nghttp2_rcbuf_decref(self.fields![position].valueBuffer)
        }
        self.count = 0
        self.size = 0
    }

    /// Whether the list has a header of this name.
    public func contains(_ token: HeaderToken) -> Bool { self.position(of: token) != nil }

    private func position(of token: HeaderToken) -> Int? {
        var position = 0
        while position < self.count {
            if unsafe self.fields![position].token == token { return position }
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
        return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(self.fields![position].value)))
    }

    /// The same for any name, in lower case.
    public func withValue<Result>(named name: [UInt8], _ body: (RawSpan) -> Result) -> Result? {
        for position in 0..<self.count where unsafe self[position].name.elementsEqual(name) {
            return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(self.fields![position].value)))
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
                String(decoding: self.fields![position].name, as: UTF8.self),
                String(decoding: self.fields![position].value, as: UTF8.self)
            )
        }
    }

    /// Calls `body` with all fields, in order.
    @inline(__always)
    func withFields(_ body: (UnsafeBufferPointer<Field>) -> Void) {
        unsafe body(UnsafeBufferPointer(start: self.fields, count: self.count))
    }

    static func isContentType(_ name: OpaquePointer) -> Bool {
        let name = unsafe nghttp2_rcbuf_get_buf(name)
        return unsafe HeaderToken.of(UnsafeBufferPointer(start: name.base, count: name.len)) == .contentType
    }
}

extension HeaderBlock {
    /// Whether this is an informational response (1xx), which the final one follows.
    var isInformational: Bool {
        self.withValue(.status) { $0.byteCount == 3 && $0.byte(at: 0) == UInt8(ascii: "1") } ?? false
    }
}
