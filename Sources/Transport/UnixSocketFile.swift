internal import Glibc
internal import NIOCore
internal import NIOPosix

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
        _ path: String, permissions: UInt32, on group: LoopGroup
    ) async throws(ListenFailure) -> (descriptor: CInt, file: UnixSocketFile) {
        try await self.clear(path, on: group)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ListenFailure("no socket can be made: \(self.lastError)") }
        guard self.bind(descriptor, to: path) else {
            defer { close(descriptor) }
            throw ListenFailure("the socket cannot be bound: \(self.lastError)")
        }
        let file = UnixSocketFile(path: path)
        // Nobody gets in before this, whatever the process's umask: a socket that does not listen yet refuses.
        guard unsafe chmod(path, permissions) == 0 else {
            defer {
                file.remove()
                close(descriptor)
            }
            throw ListenFailure("the socket's permissions cannot be set: \(self.lastError)")
        }
        return (descriptor, file)
    }

    /// Removes the file, unless another process has put its own there since.
    func remove() {
        guard let now = FileStamp(self.path), let stamp = self.stamp, now.isSameFile(as: stamp) else { return }
        _ = unsafe unlink(self.path)
    }

    /// Removes what a process left behind that did not end in order.
    private static func clear(_ path: String, on group: LoopGroup) async throws(ListenFailure) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw ListenFailure("there is a file that is no socket") }
        // Removing it would take the name away from a process that still listens, without a word to either.
        if let other = try? await ClientBootstrap(group: group.group).connect(unixDomainSocketPath: path).get() {
            try? await other.close().get()
            throw ListenFailure("another process listens there")
        }
        guard unsafe unlink(path) == 0 || errno == ENOENT else {
            throw ListenFailure("the socket of a process that is gone cannot be removed: \(self.lastError)")
        }
    }

    private static func bind(_ descriptor: CInt, to path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else {
            errno = ENAMETOOLONG
            return false
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe Glibc.bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private static var lastError: String { unsafe String(cString: strerror(errno)) }
}

/// Why an address cannot be listened on.
struct ListenFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
