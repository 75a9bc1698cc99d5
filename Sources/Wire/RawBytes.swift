extension RawSpan {
    /// The byte at `offset`, checked.
    @inlinable
    public func byte(at offset: Int) -> UInt8 {
        precondition(offset >= 0 && offset < self.byteCount, "a byte outside of its span")
        return unsafe self.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// Four bytes from `offset` on as one number, the first one highest (network byte order).
    @inlinable
    public func bigEndianUInt32(at offset: Int) -> UInt32 {
        precondition(offset >= 0 && offset + 4 <= self.byteCount, "bytes outside of their span")
        return unsafe UInt32(bigEndian: self.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
    }

    /// A copy of the bytes.
    public var copied: [UInt8] { unsafe self.withUnsafeBytes { unsafe [UInt8]($0) } }
}

extension Array<UInt8> {
    /// Lends the bytes to `body` where they are. Bytes have no padding, so there is nothing unsafe to see.
    public func withRawSpan<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(unsafe self.span.bytes)
    }
}
