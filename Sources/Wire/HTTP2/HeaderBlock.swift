internal import CNghttp2
internal import Glibc

/// One received header list: a request's, a response's, or trailers.
///
/// ```
/// fields │ :method │ :path │ x-user │ free │     text │ POST/backend.Backend/Predictx-usersomebody │ free │
/// ```
/// Values are kept side by side in `text`, and so are names that the proxy does not know; the other leg's session sends
/// them from there. Keeping nghttp2's own counted buffers instead took six calls and two cache lines more of a header.
/// Owned by one `HTTP2Stream`, on its loop.
/// Safe to use: both regions never leave this module and are freed once, in `removeAll` or deinit.
@safe public final class HeaderBlock {
    @safe struct Field {
        /// As it is passed on, without white space around the value, which HTTP/2 does not allow (RFC 9113 §8.2.1) and gRPC
        /// lets us take away. The name is in `text` if `token` is `.other`, else a constant.
        var vector: nghttp2_nv
        let token: HeaderToken
        /// Every caller sends this header, and with few values: worth a place in an HPACK table.
        let isOrdinary: Bool

        var name: UnsafeBufferPointer<UInt8> {
            unsafe UnsafeBufferPointer(start: self.vector.name, count: self.vector.namelen)
        }
        var value: UnsafeBufferPointer<UInt8> {
            unsafe UnsafeBufferPointer(start: self.vector.value, count: self.vector.valuelen)
        }

        /// The peer wants it kept out of HPACK tables (RFC 7541 §7.1.3).
        var isSensitive: Bool { unsafe self.vector.flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0 }
    }

    /// `count` fields in memory of our own: an array would be checked and retained for each header of a call.
    /// None until the first header comes: of a call's four lists one is nearly always empty, and two have three headers.
    private var fields: UnsafeMutablePointer<Field>?
    private var capacity = 0
    public private(set) var count = 0
    /// The known headers that are there: the proxy asks for more that are not.
    private var tokens = HeaderTokenSet.none
    private var text: UnsafeMutablePointer<UInt8>?
    private var textCapacity = 0
    private var textCount = 0
    /// Bytes of all names and values as they came plus 32 for each field, as RFC 9113 §6.5.2 counts a header list.
    public private(set) var size = 0

    /// What stays with the stream object when it is reused, in fields and in bytes of text.
    private static let keptCapacity = 64
    private static let keptTextCapacity = 4_096

    public init() {}

    deinit {
        unsafe self.fields?.deallocate()
        unsafe self.text?.deallocate()
    }

    public var isEmpty: Bool { self.count == 0 }

    /// The field at a position below `count`.
    subscript(_ position: Int) -> Field {
        assert(position < self.count)
        return unsafe self.fields![position]
    }

    /// Copies a header. `flags` are those that nghttp2 received it with.
    @inline(__always)
    func append(name: UnsafeBufferPointer<UInt8>, value received: UnsafeBufferPointer<UInt8>, flags: UInt8) {
        if self.count == self.capacity { self.grow() }
        // A byte more than is there now, so that an empty value, too, is somewhere.
        if self.textCount + name.count + received.count >= self.textCapacity {
            self.growText(by: name.count + received.count + 1)
        }
        let found = unsafe HeaderToken.of(name.baseAddress!, count: name.count)
        let value = unsafe Self.trimmed(received)
        let ownName = unsafe found.text ?? self.copy(name)
        let sensitive = flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
        let noCopy = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
        unsafe (self.fields! + self.count).initialize(
            to: Field(
                vector: nghttp2_nv(
                    name: ownName, value: self.copy(value), namelen: name.count, valuelen: value.count,
                    flags: noCopy | sensitive),
                token: found.token, isOrdinary: found.token.isOrdinary(valueBytes: value.count)))
        self.tokens.insert(found.token)
        self.size += name.count + received.count + 32
        self.count += 1
    }

    @inline(__always)
    private static func trimmed(_ value: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        // Nearly every value begins and ends with something that can be seen.
        if value.count > 0, unsafe value[0] > 0x20 && value[value.count - 1] > 0x20 { return unsafe value }
        return unsafe Self.trim(value)
    }

    @inline(never)
    private static func trim(_ value: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        var (start, end) = (0, value.count)
        while start < end, unsafe Self.isWhite(value[start]) { start += 1 }
        while start < end, unsafe Self.isWhite(value[end - 1]) { end -= 1 }
        return unsafe UnsafeBufferPointer(rebasing: value[start..<end])
    }

    private static func isWhite(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Puts bytes, for which there is room, at the end of the text.
    @inline(__always)
    private func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        let place = unsafe self.text! + self.textCount
        if let base = bytes.baseAddress { unsafe memcpy(place, base, bytes.count) }
        self.textCount += bytes.count
        return unsafe place
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

    /// Moves the text to a larger region, and what points to it.
    private func growText(by more: Int) {
        self.textCapacity = max(64, self.textCapacity * 2, self.textCount + more)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: self.textCapacity)
        if let text = unsafe self.text {
            unsafe larger.update(from: text, count: self.textCount)
            for position in 0..<self.count {
                let field = unsafe self.fields! + position
                unsafe field.pointee.vector.value = larger + (field.pointee.vector.value - text)
                guard unsafe field.pointee.token == .other else { continue }
                unsafe field.pointee.vector.name = larger + (field.pointee.vector.name - text)
            }
            unsafe text.deallocate()
        }
        unsafe self.text = larger
    }

    /// Forgets all headers; small regions are kept for the next list.
    public func removeAll() {
        guard self.count > 0 else { return }
        (self.count, self.size, self.textCount, self.tokens) = (0, 0, 0, .none)
        if self.capacity > Self.keptCapacity {
            unsafe self.fields?.deallocate()
            unsafe (self.fields, self.capacity) = (nil, 0)
        }
        if self.textCapacity > Self.keptTextCapacity {
            unsafe self.text?.deallocate()
            unsafe (self.text, self.textCapacity) = (nil, 0)
        }
    }

    /// Whether the list has a header of this name. `.other` is no name.
    public func contains(_ token: HeaderToken) -> Bool { self.tokens.contains(token) }

    private func position(of token: HeaderToken) -> Int? {
        guard self.tokens.contains(token) else { return nil }
        var position = 0
        while position < self.count {
            if unsafe self.fields![position].token == token { return position }
            position += 1
        }
        return nil
    }

    /// How many headers of this name the list has.
    public func count(of token: HeaderToken) -> Int {
        guard self.tokens.contains(token) else { return 0 }
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
}

extension HeaderBlock {
    /// Whether `name` is the content type, and the first.
    func lacksContentType(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        unsafe HeaderToken.of(name.baseAddress!, count: name.count).token == .contentType
            && !self.contains(.contentType)
    }

    /// Whether this is an informational response (1xx), which the final one follows.
    var isInformational: Bool {
        self.withValue(.status) { $0.byteCount == 3 && $0.byte(at: 0) == UInt8(ascii: "1") } ?? false
    }
}
