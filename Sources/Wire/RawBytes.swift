extension RawSpan {
    /// The byte at `offset`, checked.
    package func byte(at offset: Int) -> UInt8 {
        precondition(offset >= 0 && offset < self.byteCount, "a byte outside of its span")
        return unsafe self.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// A copy of the bytes.
    package var copied: [UInt8] { unsafe self.withUnsafeBytes { unsafe [UInt8]($0) } }
}

extension Array<UInt8> {
    /// Lends the bytes to `body` where they are. Bytes have no padding, so there is nothing unsafe to see.
    package func withRawSpan<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(unsafe self.span.bytes)
    }
}
