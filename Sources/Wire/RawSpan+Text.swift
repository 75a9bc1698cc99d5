internal import Glibc

extension RawSpan {
    /// The bytes as text; ill-formed UTF-8 is replaced. For logs, errors and tests.
    public var text: String {
        unsafe self.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Whether the bytes are exactly those of `text`.
    public func equals(_ text: StaticString) -> Bool {
        guard self.byteCount == text.utf8CodeUnitCount else { return false }
        return unsafe self.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return true }
            return unsafe memcmp(base, text.utf8Start, bytes.count) == 0
        }
    }

    /// Whether the bytes begin with those of `text`.
    public func starts(with text: StaticString) -> Bool {
        guard self.byteCount >= text.utf8CodeUnitCount else { return false }
        return unsafe self.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return true }
            return unsafe memcmp(base, text.utf8Start, text.utf8CodeUnitCount) == 0
        }
    }
}
