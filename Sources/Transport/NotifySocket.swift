internal import Glibc

/// The socket on which a service manager hears how a service is: one datagram of `KEY=value` lines each, see sd_notify(3).
///
/// Safe to use from any thread: the descriptor is closed once, in deinit, and a datagram is sent whole or not at all.
public final class NotifySocket: Sendable {
    private let descriptor: CInt
    private let path: String

    /// - Parameter path: what `NOTIFY_SOCKET` says: an absolute path, or `@name` for an abstract socket.
    /// Nil for anything else, and when no socket can be made.
    public init?(_ path: String) {
        guard path.utf8.count > 1, path.hasPrefix("/") || path.hasPrefix("@"), path.utf8.count <= Endpoint.longestPath
        else { return nil }
        self.descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        self.path = path
        guard self.descriptor >= 0 else { return nil }
        var limit = timeval(tv_sec: Self.patienceS, tv_usec: 0)
        _ = unsafe setsockopt(
            self.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(self.descriptor) }

    /// How long a message waits at most for a manager that does not read, in seconds: it must not hold up an upgrade.
    private static let patienceS = 5

    /// Says it, and returns whether somebody was there to hear it.
    /// - Parameter waits: while the reader's queue is full, for a few seconds at most; else it is not said then.
    @discardableResult
    public func send(_ lines: String..., waits: Bool = true) -> Bool {
        let flags = CInt(MSG_NOSIGNAL) | (waits ? 0 : CInt(MSG_DONTWAIT))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
            unsafe room.copyBytes(from: self.path.utf8)
            // An abstract name begins with a zero byte and ends where the address does.
            if self.path.hasPrefix("@") { unsafe room[0] = 0 }
        }
        let isAbstract = self.path.hasPrefix("@")
        let head = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
        let length = socklen_t(head + self.path.utf8.count + (isAbstract ? 0 : 1))
        let message = Array(lines.joined(separator: "\n").utf8)
        while true {
            let sent = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    unsafe message.withUnsafeBytes { bytes in
                        unsafe sendto(
                            self.descriptor, bytes.baseAddress, bytes.count, flags, pointer, length)
                    }
                }
            }
            if sent < 0, errno == EINTR { continue }
            return sent == message.count
        }
    }
}
