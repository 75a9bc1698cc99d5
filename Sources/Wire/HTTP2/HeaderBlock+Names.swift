internal import CNghttp2
import Glibc

extension HeaderBlock {
    /// Calls `body` with the value of the first header of this name, in lower case; nil when there is none. For names that
    /// come from the configuration: every field is compared.
    package func withValue<Result>(named name: String, _ body: (RawSpan) -> Result) -> Result? {
        var name = name
        let position = unsafe name.withUTF8 { wanted in
            self.fields.firstIndex { field in
                let bytes = unsafe HeaderBlock.bytes(of: field.name)
                guard bytes.count == wanted.count, let here = bytes.baseAddress, let there = wanted.baseAddress else {
                    return false
                }
                return unsafe memcmp(here, there, bytes.count) == 0
            }
        }
        guard let position else { return nil }
        return unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(Self.bytes(of: self.fields[position].value))))
    }
}
