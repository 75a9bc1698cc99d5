internal import CLinux
internal import Glibc

/// A listening socket on its loop: takes what waits there, and gives each link to the next loop in turn. Lives on its loop.
final class Acceptor: Watched {
    private let loops: [Loop]
    private let tls: TLSContext?
    private let makeHandler: @Sendable (Loop) -> any LinkHandler & LinkOwner
    /// Who gets the next link.
    private var next: Int
    private var isPaused = false
    /// There were no descriptors left; until its end nobody is accepted.
    private var pause: LoopTimer?

    /// So many in one turn; links are served in between.
    private static let mostAtOnce = 64
    /// How long to wait for descriptors to become free. Callers wait in the socket's queue meanwhile.
    private static let pauseNs: UInt64 = 50_000_000

    init(
        on loop: Loop, of group: LoopGroup, tls: TLSContext?,
        makeHandler: @escaping @Sendable (Loop) -> any LinkHandler & LinkOwner
    ) {
        self.loops = group.loops
        self.tls = tls
        self.makeHandler = makeHandler
        self.next = loop.index
        super.init(on: loop)
    }

    /// Accepts from now on, or not. False when the kernel cannot watch the socket, which is closed then.
    func begin(_ descriptor: CInt, isPaused: Bool) -> Bool {
        self.isPaused = isPaused
        return self.watch(descriptor, for: self.interest)
    }

    func accepts(_ yes: Bool) {
        self.isPaused = !yes
        self.watch(for: self.interest)
    }

    /// A second descriptor of the socket; -1 when there are no more, or it is closed.
    func duplicate() -> CInt { self.isWatched ? fcntl(self.descriptor, F_DUPFD_CLOEXEC, 3) : -1 }

    private var interest: UInt32 { self.isPaused || self.pause != nil ? 0 : HOMING_READABLE }

    override func ready(_ events: UInt32) {
        for _ in 0..<Self.mostAtOnce {
            var descriptor: CInt = -1
            let address = unsafe SocketAddress { address, length in
                unsafe descriptor = homing_accept(self.descriptor, address, length)
                return descriptor
            }
            guard let address else {
                switch errno {
                case EAGAIN: return
                // Of the connection, which its caller gave up.
                case EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH:
                    continue
                // No descriptors, or no memory.
                default: return self.waitForRoom()
                }
            }
            self.give(descriptor, address.name)
        }
    }

    private func give(_ descriptor: CInt, _ peer: PeerName) {
        let loop = self.loops[self.next]
        self.next = self.next + 1 < self.loops.count ? self.next + 1 : 0
        if loop === self.loop {
            Self.begin(descriptor, peer, on: loop, self.tls, self.makeHandler)
        } else {
            loop.execute { [tls, makeHandler] in Self.begin(descriptor, peer, on: loop, tls, makeHandler) }
        }
    }

    private static func begin(
        _ descriptor: CInt, _ peer: PeerName, on loop: Loop, _ tls: TLSContext?,
        _ makeHandler: @Sendable (Loop) -> any LinkHandler & LinkOwner
    ) {
        var secured: (session: TLSSession, limitNs: UInt64)?
        if let tls {
            guard let session = tls.serverSession(on: loop) else {
                Glibc.close(descriptor)
                return
            }
            secured = (session, tls.serverHandshakeLimitNs)
        }
        let handler = makeHandler(loop)
        let link = Link(on: loop, handler: handler, isAccepted: true)
        handler.own(link)
        link.connected(descriptor, to: peer, tls: secured)
    }

    private func waitForRoom() {
        let bound = LoopBound(self, on: self.loop)
        self.pause = self.loop.schedule(after: Self.pauseNs) { bound.value.goOn() }
        self.watch(for: self.interest)
    }

    private func goOn() {
        self.pause = nil
        self.watch(for: self.interest)
    }
}
