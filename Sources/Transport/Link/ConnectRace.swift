internal import CLinux
internal import Glibc

/// One connect of a link: to the first of several addresses that answers (RFC 8305, "happy eyeballs").
///
/// ```
/// run ──► an attempt ──250 ms, or it fails──► the next one beside it ──► …
///              └──connected──► the link has it, the others are closed
/// ```
/// Lives on the link's loop. Link and race keep each other until the race is over.
final class ConnectRace {
    private let link: Link
    private let endpoint: Endpoint
    private let tls: TLSContext?
    private let limitNs: UInt64
    private var limit: LoopTimer?
    private var stagger: LoopTimer?
    /// Those that have not been tried, in order.
    private var waiting: ArraySlice<SocketAddress> = []
    private var attempts: [ConnectAttempt] = []
    private var problems: [CInt] = []
    private var isOver = false

    /// How long one address is waited for before the next one is tried as well (RFC 8305 §5).
    static let staggerNs: UInt64 = 250_000_000
    /// A UNIX socket whose queue is full says so at once instead of letting us wait.
    static let fullQueueNs: UInt64 = 10_000_000

    /// - Parameter limitNs: for all of it, names included, and once more for the handshake.
    init(_ link: Link, to endpoint: Endpoint, limitNs: UInt64, tls: TLSContext?) {
        self.link = link
        self.endpoint = endpoint
        self.tls = tls
        self.limitNs = limitNs
        let bound = LoopBound(self, on: link.loop)
        self.limit = link.loop.schedule(after: limitNs) { bound.value.fails(.timedOut) }
    }

    /// - Parameter problem: what is wrong when there is no address.
    func run(to addresses: [SocketAddress], otherwise problem: CInt) {
        guard !self.isOver else { return }
        self.waiting = Self.alternating(addresses)[...]
        if self.waiting.isEmpty { self.problems.append(problem) }
        self.tryNext()
    }

    /// Nobody is told.
    func cancel() {
        self.isOver = true
        self.limit?.cancel()
        self.stagger?.cancel()
        for attempt in self.attempts { attempt.unwatch() }
        self.attempts = []
        self.waiting = []
    }

    func fails(_ failure: ConnectFailure) {
        guard !self.isOver else { return }
        self.cancel()
        self.link.connectFailed(failure)
    }

    /// The loop ends.
    func cut() {
        guard !self.isOver else { return }
        self.cancel()
        self.link.cut()
    }

    // MARK: Attempts

    func tryNext() {
        self.stagger?.cancel()
        while !self.isOver, let address = self.waiting.popFirst() {
            guard self.attempt(address) else { continue }
            if !self.waiting.isEmpty { self.tryNext(after: Self.staggerNs) }
            return
        }
        if !self.isOver, self.attempts.isEmpty { self.fails(ConnectFailure(self.problems)) }
    }

    private func tryNext(after ns: UInt64) {
        let bound = LoopBound(self, on: self.link.loop)
        self.stagger = self.link.loop.schedule(after: ns) { bound.value.tryNext() }
    }

    /// False when it failed at once.
    private func attempt(_ address: SocketAddress) -> Bool {
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else {
            self.problems.append(errno)
            return false
        }
        if address.family != AF_UNIX { SocketOption.noDelay.set(descriptor) }
        if unsafe address.withPointer({ unsafe Glibc.connect(descriptor, $0, $1) }) == 0 {
            self.won(descriptor, address)
            return true
        }
        let problem = errno
        switch problem {
        case EINPROGRESS:
            let attempt = ConnectAttempt(of: self, to: address, on: self.link.loop)
            if attempt.watch(descriptor, for: HOMING_WRITABLE) {
                self.attempts.append(attempt)
                return true
            }
            self.problems.append(ENOSPC)
        case EAGAIN where address.family == AF_UNIX:
            Glibc.close(descriptor)
            self.waiting.append(address)
            self.tryNext(after: Self.fullQueueNs)
            return true
        default:
            self.problems.append(problem)
            Glibc.close(descriptor)
        }
        return false
    }

    func ended(_ attempt: ConnectAttempt, _ problem: CInt) {
        guard !self.isOver else { return }
        self.attempts.removeAll { $0 === attempt }
        if problem == 0 {
            self.won(attempt.release(), attempt.address)
        } else {
            attempt.unwatch()
            self.problems.append(problem)
            self.tryNext()
        }
    }

    private func won(_ descriptor: CInt, _ address: SocketAddress) {
        self.cancel()
        do throws(TLSFailure) {
            let session = try self.tls?.clientSession(to: self.endpoint, on: self.link.loop)
            self.link.connected(descriptor, to: address.name, tls: session.map { ($0, self.limitNs) })
        } catch {
            Glibc.close(descriptor)
            self.link.connectFailed(.tls(error))
        }
    }

    /// The families in turn, beginning with that of the first address, each in the system's order (RFC 8305 §4).
    static func alternating(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let family = addresses.first?.family else { return [] }
        let preferred = addresses.filter { $0.family == family }
        let others = addresses.filter { $0.family != family }
        var result: [SocketAddress] = []
        for index in 0..<max(preferred.count, others.count) {
            if index < preferred.count { result.append(preferred[index]) }
            if index < others.count { result.append(others[index]) }
        }
        return result
    }
}

/// A socket on its way to one address.
final class ConnectAttempt: Watched {
    private let race: ConnectRace
    let address: SocketAddress

    init(of race: ConnectRace, to address: SocketAddress, on loop: Loop) {
        self.race = race
        self.address = address
        super.init(on: loop)
    }

    override func ready(_ events: UInt32) {
        self.race.ended(self, SocketOption.error.get(self.descriptor) ?? EBADF)
    }

    override func cut() {
        self.race.cut()
        self.unwatch()
    }
}

extension ConnectFailure {
    /// What it comes to when every address failed: one where nothing listens says most.
    init(_ problems: [CInt]) {
        if problems.contains(ECONNREFUSED) || problems.contains(ENOENT) {
            self = .refused
        } else if problems.contains(ETIMEDOUT) {
            self = .timedOut
        } else {
            self = .unreachable(SystemError.text(problems.last ?? EADDRNOTAVAIL))
        }
    }
}
