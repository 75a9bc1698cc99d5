internal import Glibc
internal import Synchronization

/// A bound address that accepts links and spreads them over the loops in turn.
///
/// A port is bound once, without SO_REUSEPORT, so a port that another process uses is an error and not a silent share.
/// The same holds for a UNIX socket; one that nobody listens on any more is replaced. A socket that whoever started us has
/// bound takes the place of one of our own, and its file is not ours until `takeFile`.
public final class Listener: Sendable {
    /// What is bound, with the real port when port 0 was asked for.
    public let endpoint: Endpoint
    private let acceptor: LoopBound<Acceptor>
    private let group: LoopGroup
    /// Nil when there is none, or it is somebody else's to remove.
    private let file: Mutex<UnixSocketFile?>

    private init(endpoint: Endpoint, on group: LoopGroup, acceptor: LoopBound<Acceptor>, file: UnixSocketFile?) {
        self.endpoint = endpoint
        self.group = group
        self.acceptor = acceptor
        self.file = Mutex(file)
    }

    /// Binds and accepts. `makeHandler` is called on a link's loop and returns what goes on top of it; it may keep the link.
    /// Throws when the address cannot be bound.
    /// - Parameter tls: links open when their handshake is over; nil means cleartext.
    /// - Parameter unixPermissions: who may connect to a UNIX socket, as `chmod` has it.
    /// - Parameter inherited: is used instead of a socket of our own; it is ours to close from now on.
    /// - Parameter isPaused: nobody is accepted until `resume`.
    public static func bind(
        _ endpoint: Endpoint, on group: LoopGroup, backlog: Int = 4_096, tls: TLSContext? = nil,
        unixPermissions: UInt32 = 0o660, inherited: InheritedSocket? = nil,
        isPaused: Bool = false, makeHandler: @escaping @Sendable (Loop) -> any LinkHandler & LinkOwner
    ) async throws -> Listener {
        var file: UnixSocketFile?
        let descriptor: CInt
        switch endpoint.kind {
        case _ where inherited != nil: descriptor = inherited?.descriptor ?? -1
        case .host(let host, let port): descriptor = try await ListeningSocket.bind(host, port)
        case .unix(let path): (descriptor, file) = try UnixSocketFile.bind(path, permissions: unixPermissions)
        }
        do throws(ListenFailure) {
            try ListeningSocket.listen(descriptor, backlog: backlog)
            let loop = group.nextForListener()
            let acceptor = LoopBound(Acceptor(on: loop, of: group, tls: tls, makeHandler: makeHandler), on: loop)
            let bound = SocketAddress(boundTo: descriptor)
            guard await loop.run({ acceptor.value.begin(descriptor, isPaused: isPaused) }) else {
                throw ListenFailure("the kernel cannot watch the socket")
            }
            return Listener(
                endpoint: endpoint.bound(to: bound?.name.port), on: group, acceptor: acceptor, file: file)
        } catch {
            file?.remove()
            throw error
        }
    }

    /// Stops accepting. Links that were accepted stay open.
    public func close() async {
        // First, so that no caller finds a socket that does not answer.
        self.file.withLock { $0 }?.remove()
        await self.pause()
        let acceptor = self.acceptor
        await acceptor.loop.run { acceptor.value.unwatch() }
    }
}

extension Listener {
    /// Accepts nobody until `resume`; who connects waits. Links that were accepted have reached their loops when this returns.
    public func pause() async {
        let acceptor = self.acceptor
        await acceptor.loop.run { acceptor.value.accepts(false) }
        for loop in self.group.loops { await loop.run {} }
    }

    public func resume() async {
        let acceptor = self.acceptor
        await acceptor.loop.run { acceptor.value.accepts(true) }
    }

    /// A second descriptor of the socket, for a process that takes our place. The caller closes it. Nil when it is closed,
    /// and when there are no more descriptors.
    public func duplicate() async -> CInt? {
        let acceptor = self.acceptor
        let copy = await acceptor.loop.run { acceptor.value.duplicate() }
        return copy >= 0 ? copy : nil
    }

    /// Whether `close` removes the file of a UNIX socket.
    public var ownsFile: Bool { self.file.withLock { $0 != nil } }

    /// The file of an inherited UNIX socket is ours to remove from now on.
    public func takeFile() {
        guard case .unix(let path) = self.endpoint.kind else { return }
        self.file.withLock { $0 = UnixSocketFile(path: path) }
    }

    /// The file is another process's from now on.
    public func leaveFile() { self.file.withLock { $0 = nil } }
}

/// A handler that keeps the link it was made for.
public protocol LinkOwner: AnyObject {
    /// Called once, before the link opens.
    func own(_ link: Link)
}

extension Endpoint {
    /// The same endpoint with the port that the kernel chose.
    fileprivate func bound(to port: Int?) -> Endpoint {
        switch self.kind {
        case .host(let host, let asked): Endpoint(.host(host, port: port ?? asked))
        case .unix: self
        }
    }
}
