internal import CNghttp2

/// One received header list: a request's, a response's, or trailers.
///
/// Nothing is copied: the names and values are nghttp2's reference-counted buffers, held until `removeAll`, and the
/// same buffers are handed to the other leg's session. Owned by one `HTTP2Stream`, on its loop.
/// Safe to use: the buffers never leave this module and each is given back exactly once.
@safe package final class HeaderBlock {
    @safe struct Field {
        let name: OpaquePointer
        let value: OpaquePointer
        let token: HeaderToken
        let sensitive: Bool

        /// Every caller sends this header, and with few values: worth a place in an HPACK table.
        var isOrdinary: Bool {
            switch self.token {
            case .method, .scheme, .authority, .path, .te, .userAgent, .status: true
            case .contentType: unsafe HeaderBlock.bytes(of: self.value).count == 16
            case .other, .grpcTimeout, .grpcStatus, .grpcMessage, .homingExplain, .authorization, .host: false
            }
        }
    }

    private(set) var fields = ContiguousArray<Field>()
    /// Bytes of all names and values plus 32 for each field, as RFC 9113 §6.5.2 counts a header list.
    package private(set) var size = 0

    package init() {}

    deinit { self.removeAll() }

    package var count: Int { self.fields.count }
    package var isEmpty: Bool { self.fields.isEmpty }

    func append(name: OpaquePointer, value: OpaquePointer, flags: UInt8) {
        unsafe nghttp2_rcbuf_incref(name)
        unsafe nghttp2_rcbuf_incref(value)
        let nameBytes = unsafe Self.bytes(of: name)
        let valueBytes = unsafe Self.bytes(of: value)
        self.size += nameBytes.count + valueBytes.count + 32
        unsafe self.fields.append(
            Field(
                name: name, value: value, token: HeaderToken.of(nameBytes),
                sensitive: flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0))
    }

    package func removeAll() {
        for field in self.fields {
            unsafe nghttp2_rcbuf_decref(field.name)
            unsafe nghttp2_rcbuf_decref(field.value)
        }
        self.fields.removeAll(keepingCapacity: true)
        self.size = 0
    }

    /// Whether the list has a header of this name.
    package func contains(_ token: HeaderToken) -> Bool {
        self.fields.contains { $0.token == token }
    }

    /// How many headers of this name the list has.
    package func count(of token: HeaderToken) -> Int {
        var count = 0
        for field in self.fields where field.token == token { count += 1 }
        return count
    }

    /// Calls `body` with the value of the first header of this name; nil when there is none.
    package func withValue<Result>(_ token: HeaderToken, _ body: (RawSpan) -> Result) -> Result? {
        for field in self.fields where field.token == token {
            return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(Self.bytes(of: field.value))))
        }
        return nil
    }

    /// The same for any name, in lower case.
    package func withValue<Result>(named name: [UInt8], _ body: (RawSpan) -> Result) -> Result? {
        for field in self.fields where unsafe Self.bytes(of: field.name).elementsEqual(name) {
            return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(Self.bytes(of: field.value))))
        }
        return nil
    }

    /// The value of the first header of this name as text, for logs and tests; ill-formed UTF-8 is replaced.
    package func string(_ token: HeaderToken) -> String? {
        self.withValue(token) { $0.text }
    }

    /// Every header in order as text, for logs and tests.
    package var strings: [(name: String, value: String)] {
        self.fields.map { field in
            unsafe (
                String(decoding: Self.bytes(of: field.name), as: UTF8.self),
                String(decoding: Self.bytes(of: field.value), as: UTF8.self)
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
        self.withValue(.status) { $0.byteCount == 3 && $0.unsafeLoadFirstByte == UInt8(ascii: "1") } ?? false
    }
}

extension RawSpan {
    fileprivate var unsafeLoadFirstByte: UInt8 { unsafe self.unsafeLoad(fromByteOffset: 0, as: UInt8.self) }
}
