internal import Glibc

/// An option of a socket that is a number.
struct SocketOption {
    private let level: CInt
    private let name: CInt

    /// Small frames go out at once. What a listener is told, its connections inherit.
    static let noDelay = SocketOption(level: CInt(IPPROTO_TCP), name: TCP_NODELAY)
    static let reuseAddress = SocketOption(level: SOL_SOCKET, name: SO_REUSEADDR)
    static let onlyIPv6 = SocketOption(level: CInt(IPPROTO_IPV6), name: IPV6_V6ONLY)
    static let kind = SocketOption(level: SOL_SOCKET, name: SO_TYPE)
    static let isListening = SocketOption(level: SOL_SOCKET, name: SO_ACCEPTCONN)
    /// What went wrong since the last time that this was asked; zero when nothing did.
    static let error = SocketOption(level: SOL_SOCKET, name: SO_ERROR)

    func set(_ descriptor: CInt, to value: CInt = 1) {
        _ = unsafe withUnsafePointer(to: value) {
            unsafe setsockopt(descriptor, self.level, self.name, $0, socklen_t(MemoryLayout<CInt>.size))
        }
    }

    /// Nil when the descriptor has no such option.
    func get(_ descriptor: CInt) -> CInt? {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(descriptor, self.level, self.name, &value, &length) == 0 ? value : nil
    }
}
