internal import Glibc

/// What tells one state of a file from another without reading it. Follows symbolic links, since secrets that are
/// mounted into containers are swapped that way.
public struct FileStamp: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    private let bytes: Int64
    private let modifiedNs: Int64

    /// Nil when there is no such file, or it may not be looked at.
    public init?(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.device = UInt64(status.st_dev)
        self.inode = UInt64(status.st_ino)
        self.bytes = Int64(status.st_size)
        self.modifiedNs = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }
    /// Whether this is one file, in whatever state.
    func isSameFile(as other: FileStamp) -> Bool { self.device == other.device && self.inode == other.inode }
}
