internal import Glibc

/// Finds a call of the protocol by the path of its streams: it is compared with the names of its length, not with 52.
///
/// Made once and kept for ever. Safe to use: its memory is written in `init` only and never freed.
@safe final class MethodTable: Sendable {
    static let shared = MethodTable()
    static let pathPrefix = "/backend.Backend/"

    @safe private struct Row {
        let path: UnsafePointer<UInt8>
        let method: BackendMethod
        let position: Int
    }

    /// All calls, those with shorter paths first.
    nonisolated(unsafe) private let rows: UnsafePointer<Row>
    /// By the number of bytes in a path, the first row that is at least as long.
    nonisolated(unsafe) private let starts: UnsafePointer<Int>
    private let longest: Int

    private init() {
        let all = BackendMethod.allCases.enumerated()
            .map { (path: Array($0.element.path.utf8), method: $0.element, position: $0.offset) }
            .sorted { $0.path.count < $1.path.count }
        self.longest = all.last?.path.count ?? 0
        let rows = UnsafeMutablePointer<Row>.allocate(capacity: all.count)
        for (index, call) in all.enumerated() {
            let path = UnsafeMutablePointer<UInt8>.allocate(capacity: call.path.count)
            for (offset, byte) in call.path.enumerated() { unsafe (path + offset).initialize(to: byte) }
            unsafe (rows + index).initialize(
                to: Row(path: UnsafePointer(path), method: call.method, position: call.position))
        }
        let starts = UnsafeMutablePointer<Int>.allocate(capacity: self.longest + 2)
        for count in 0...self.longest + 1 {
            unsafe (starts + count).initialize(to: all.count { $0.path.count < count })
        }
        unsafe self.rows = UnsafePointer(rows)
        unsafe self.starts = UnsafePointer(starts)
    }

    /// The call that `path` names, and its position in `BackendMethod.allCases`.
    func find(_ path: RawSpan) -> (method: BackendMethod, position: Int)? {
        let count = path.byteCount
        guard count <= self.longest else { return nil }
        return unsafe path.withUnsafeBytes { path in
            guard let base = path.baseAddress else { return nil }
            for index in unsafe self.starts[count]..<self.starts[count + 1]
            where unsafe memcmp(self.rows[index].path, base, count) == 0 {
                return unsafe (self.rows[index].method, self.rows[index].position)
            }
            return nil
        }
    }
}
