internal import Glibc
internal import NIOCore
internal import NIOPosix

/// The file of a UNIX socket that we listen on: made with the right permissions, removed when it is ours.
struct UnixSocketFile: Sendable {
    let path: String
    private let stamp: FileStamp?

    /// Takes note of the file that a bind has just made, and sets its permissions.
    init(made path: String, permissions: UInt32) throws(ListenFailure) {
        self.path = path
        guard unsafe chmod(path, permissions) == 0 else {
            throw ListenFailure("its permissions cannot be set: \(Self.lastError)")
        }
        self.stamp = FileStamp(path)
    }

    /// Removes what a process left behind that did not end in order. Throws when somebody listens there, and when the
    /// file is no socket.
    static func clear(_ path: String, on group: LoopGroup) async throws(ListenFailure) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw ListenFailure("there is a file that is no socket") }
        // A bind would take the name away from a process that still listens, without a word to either.
        if let other = try? await ClientBootstrap(group: group.group).connect(unixDomainSocketPath: path).get() {
            try? await other.close().get()
            throw ListenFailure("another process listens there")
        }
        guard unsafe unlink(path) == 0 || errno == ENOENT else {
            throw ListenFailure("the socket of a process that is gone cannot be removed: \(Self.lastError)")
        }
    }

    /// Removes the file, unless another process has put its own there since.
    func remove() {
        guard let now = FileStamp(self.path), let stamp = self.stamp, now.device == stamp.device,
            now.inode == stamp.inode
        else { return }
        _ = unsafe unlink(self.path)
    }

    private static var lastError: String { unsafe String(cString: strerror(errno)) }
}

/// Why an address cannot be listened on.
struct ListenFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
