internal import Glibc

/// Files of the system, and others of a few kilobytes, read whole.
enum SmallFile {
    /// Nil when the file cannot be read, or holds more than `limit` bytes. Blocks.
    static func bytes(_ path: String, limit: Int = 16 * 1024 * 1024) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var region = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= limit {
            let count = unsafe region.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += region[..<count]
        }
        return nil
    }

    static func text(_ path: String) -> String? { self.bytes(path).map { String(decoding: $0, as: UTF8.self) } }
}
