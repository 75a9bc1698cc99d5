internal import CNghttp2
internal import Glibc

/// A header list about to be sent: received blocks by reference, and headers of our own by copy.
///
/// One per loop, reused for every submission; nothing in it outlives the submission.
/// Safe to use: pointers into it are made and used inside one submission.
@safe public final class HeaderList {
    private var vectors: UnsafeMutablePointer<nghttp2_nv>
    private var capacity = 64
    private(set) var count = 0
    /// Bytes of our own headers; `offsets` says which vectors point here, since the region may move as it grows.
    private var text: UnsafeMutablePointer<UInt8>
    private var textCapacity = 1024
    private var textCount = 0
    private var offsets = ContiguousArray<(vector: Int, name: Int, value: Int)>()

    public init() {
        unsafe self.vectors = .allocate(capacity: self.capacity)
        unsafe self.text = .allocate(capacity: self.textCapacity)
    }

    deinit {
        unsafe self.vectors.deallocate()
        unsafe self.text.deallocate()
    }

    public func removeAll() {
        self.count = 0
        self.textCount = 0
        if !self.offsets.isEmpty { self.offsets.removeAll(keepingCapacity: true) }
    }

    /// Adds every header of a received block, in order, except those in `dropped`.
    /// The block must stay as it is until the frame has been sent, which its stream takes care of.
    /// - Parameter isolated: headers that callers make up are kept out of the connection's HPACK table (RFC 7541 §6.2.3).
    ///   A worker on grpcio remembers an entry that it cannot read, and then refuses every stream that refers to it: on
    ///   a connection that callers share, one caller's bad header would fail the others.
    public func append(_ block: HeaderBlock, except dropped: HeaderTokenSet = .none, isolated: Bool = false) {
        self.reserve(block.count)
        let unindexed = isolated ? UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) : 0
        unsafe block.withFields { fields in
            var count = self.count
            for position in unsafe fields.indices where unsafe !dropped.contains(fields[position].token) {
                let vector = unsafe self.vectors + count
                unsafe vector.initialize(to: fields[position].vector)
                if unsafe !fields[position].isOrdinary { unsafe vector.pointee.flags |= unindexed }
                count += 1
            }
            self.count = count
        }
    }

    public func append(_ name: StaticString, _ value: StaticString) {
        unsafe self.push(
            nghttp2_nv(
                name: UnsafeMutablePointer(mutating: name.utf8Start),
                value: UnsafeMutablePointer(mutating: value.utf8Start),
                namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
                flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)))
    }

    /// Adds a header with a value that changes from stream to stream, and so is kept out of the HPACK table.
    public func append(unindexed name: StaticString, _ value: [UInt8]) {
        unsafe value.withUnsafeBytes { unsafe self.copy(name, $0, flags: UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)) }
    }

    public func append(_ name: StaticString, _ value: RawSpan) {
        unsafe value.withUnsafeBytes { unsafe self.copy(name, $0) }
    }

    public func append(_ name: StaticString, _ value: String) {
        var value = value
        value.withUTF8 { unsafe self.copy(name, UnsafeRawBufferPointer($0)) }
    }

    public func append(_ name: StaticString, _ value: Int) {
        self.append(name, String(value))
    }

    /// Adds a header whose name, too, is made at run time; both are copied. The name must be lower case.
    public func append(name: String, value: String) {
        var (name, value) = (name, value)
        let start = self.textCount
        name.withUTF8 { unsafe self.copyText(UnsafeRawBufferPointer($0)) }
        let middle = self.textCount
        value.withUTF8 { unsafe self.copyText(UnsafeRawBufferPointer($0)) }
        self.offsets.append((vector: self.count, name: start, value: middle))
        unsafe self.push(
            nghttp2_nv(
                name: nil, value: nil, namelen: middle - start, valuelen: self.textCount - middle,
                flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)))
    }

    /// Calls `body` with the finished array.
    func withVectors<Result>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> Result) -> Result {
        for entry in self.offsets {
            if entry.name >= 0 { unsafe self.vectors[entry.vector].name = self.text + entry.name }
            unsafe self.vectors[entry.vector].value = self.text + entry.value
        }
        return unsafe body(UnsafePointer(self.vectors), self.count)
    }

    private func copy(_ name: StaticString, _ value: UnsafeRawBufferPointer, flags: UInt8 = 0) {
        let start = self.textCount
        unsafe self.copyText(value)
        self.offsets.append((vector: self.count, name: -1, value: start))
        unsafe self.push(
            nghttp2_nv(
                name: UnsafeMutablePointer(mutating: name.utf8Start), value: nil,
                namelen: name.utf8CodeUnitCount, valuelen: value.count,
                flags: flags | UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)))
    }

    private func copyText(_ bytes: UnsafeRawBufferPointer) {
        if self.textCount + bytes.count > self.textCapacity {
            self.textCapacity = max(self.textCapacity * 2, self.textCount + bytes.count)
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: self.textCapacity)
            unsafe larger.update(from: self.text, count: self.textCount)
            unsafe self.text.deallocate()
            unsafe self.text = larger
        }
        if let base = bytes.baseAddress {
            unsafe memcpy(self.text + self.textCount, base, bytes.count)
            self.textCount += bytes.count
        }
    }

    private func push(_ vector: nghttp2_nv) {
        self.reserve(1)
        unsafe (self.vectors + self.count).initialize(to: vector)
        self.count += 1
    }

    /// Makes room for `more` vectors.
    private func reserve(_ more: Int) {
        guard self.count + more > self.capacity else { return }
        self.capacity = max(self.capacity * 2, self.count + more)
        let larger = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: self.capacity)
        unsafe larger.update(from: self.vectors, count: self.count)
        unsafe self.vectors.deallocate()
        unsafe self.vectors = larger
    }
}
