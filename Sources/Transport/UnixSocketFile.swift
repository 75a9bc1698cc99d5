internal import Glibc

/// The file of a UNIX socket that we listen on: made with the right permissions, removed when it is still ours.
struct UnixSocketFile: Sendable {
    private let path: String
    private let stamp: FileStamp?

    /// The file that is there now, which from now on is ours.
    init(path: String) {
        self.path = path
        self.stamp = FileStamp(path)
    }

    /// Makes a socket that is bound and does not listen yet. Throws when somebody else listens there, and when there is
    /// a file that is no socket. The caller owns the descriptor.
    static func bind(
        _ path: String, permissions: UInt32
    ) throws(ListenFailure) -> (descriptor: CInt, file: UnixSocketFile) {
        guard let address = SocketAddress(path: path) else {
            throw ListenFailure("the socket cannot be bound: \(SystemError.text(ENAMETOOLONG))")
        }
        try self.clear(path, address)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ListenFailure("no socket can be made: \(SystemError.last)") }
        guard unsafe address.withPointer({ unsafe Glibc.bind(descriptor, $0, $1) }) == 0 else {
            defer { close(descriptor) }
            throw ListenFailure("the socket cannot be bound: \(SystemError.last)")
        }
        let file = UnixSocketFile(path: path)
        // Nobody gets in before this, whatever the process's umask: a socket that does not listen yet refuses.
        guard unsafe chmod(path, permissions) == 0 else {
            defer {
                file.remove()
                close(descriptor)
            }
            throw ListenFailure("the socket's permissions cannot be set: \(SystemError.last)")
        }
        return (descriptor, file)
    }

    /// Removes the file, unless another process has put its own there since.
    func remove() {
        guard let now = FileStamp(self.path), let stamp = self.stamp, now.isSameFile(as: stamp) else { return }
        _ = unsafe unlink(self.path)
    }

    /// Removes what a process left behind that did not end in order.
    private static func clear(_ path: String, _ address: SocketAddress) throws(ListenFailure) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw ListenFailure("there is a file that is no socket") }
        // Removing it would take the name away from a process that still listens, without a word to either.
        guard !self.isListenedOn(address) else { throw ListenFailure("another process listens there") }
        guard unsafe unlink(path) == 0 || errno == ENOENT else {
            throw ListenFailure("the socket of a process that is gone cannot be removed: \(SystemError.last)")
        }
    }

    /// Does not block: a UNIX socket answers at once, or its queue is full.
    private static func isListenedOn(_ address: SocketAddress) -> Bool {
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return unsafe address.withPointer { unsafe connect(descriptor, $0, $1) } == 0 || errno == EAGAIN
    }
}
