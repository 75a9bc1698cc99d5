/// Bytes that the TLS library made and that have not been sent: one region of memory that all links of a loop use in
/// turn. It is empty between two calls of a link. Lives on its loop.
///
/// Safe to use: the memory never leaves this class but for the length of a call, and is freed once, in deinit.
@safe final class TLSRecords {
    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: TLSRecords.capacity, alignment: 16)
    private(set) var count = 0
    /// A region of output, what its records add, and a goodbye. Only handshakes with long chains need more.
    private static let capacity = 80 * 1024

    deinit { unsafe self.memory.deallocate() }

    /// Valid until something is appended.
    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: self.memory[..<self.count]) }

    func append(_ bytes: UnsafeRawBufferPointer) {
        if unsafe self.count + bytes.count > self.memory.count { self.grow(to: self.count + bytes.count) }
        unsafe UnsafeMutableRawBufferPointer(rebasing: self.memory[self.count...]).copyMemory(from: bytes)
        self.count += bytes.count
    }

    func clear() {
        self.count = 0
        guard unsafe self.memory.count > Self.capacity else { return }
        unsafe self.memory.deallocate()
        unsafe self.memory = .allocate(byteCount: Self.capacity, alignment: 16)
    }

    private func grow(to size: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * size, alignment: 16)
        unsafe larger.copyMemory(from: self.bytes)
        unsafe self.memory.deallocate()
        unsafe self.memory = larger
    }
}
