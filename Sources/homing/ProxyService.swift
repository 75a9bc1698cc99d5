import Admin
import Logging
import Proxy
import ServiceLifecycle
import Synchronization
import Transport
import Upstream
import Wire

/// The downstream side as a service: binds, serves, and on shutdown drains.
///
/// ```
/// starting ──bound──► serving ──SIGTERM──► draining ──last stream, or the limit──► stopped
/// ```
struct ProxyService: Service {
    /// One address to listen on, and the cluster that it is for.
    struct Listening: Sendable {
        let endpoint: Endpoint
        let access: ListenerAccess
        /// Nil means cleartext.
        let tls: TLSContext?
        /// Of a UNIX socket.
        let permissions: UInt32
        let settings: ListenerSettings
        /// A socket that listens already; nil to bind one.
        let inherited: InheritedSocket?

        /// - Parameter tokens: those of the settings, which may be exchanged later.
        init(
            _ settings: ListenerSettings, tls: TLSContext?, tokens: BearerTokens, clusters: [Cluster],
            inherited: InheritedSocket? = nil
        ) {
            self.endpoint = settings.address
            self.settings = settings
            self.inherited = inherited
            var access = ListenerAccess()
            access.cluster = settings.cluster.flatMap { name in clusters.firstIndex { $0.name == name } }
            access.tokens = TokenCheck(tokens)
            access.isEncrypted = tls != nil
            self.access = access
            self.tls = tls
            self.permissions = settings.unixPermissions
        }
    }

    let listeners: [Listening]
    let group: LoopGroup
    let loops: [LoopBound<ProxyLoop>]
    let runtime: ProxyRuntime
    let log: Logger
    let sockets: OpenSockets
    /// How long open streams may go on when another process has taken our place.
    let handedOverDrainMs: Int
    /// Nobody is accepted until the process whose place we take does not accept any more.
    let startsPaused: Bool
    let onReadiness: @Sendable (Readiness) -> Void
    /// Called before the first address is bound.
    let beforeServing: @Sendable () async -> Void
    let onServing: @Sendable ([Endpoint]) async -> Void

    /// How long callers have to hear of the drain before new streams are refused, so that requests under way still get
    /// in: the first for those who have said nothing yet, the second for those who have not answered.
    private static let noticeTimes = (least: Duration.milliseconds(200), most: Duration.seconds(2))

    func run() async throws {
        await self.beforeServing()
        var bound: [Listener] = []
        do {
            for listening in self.listeners {
                let listener = try await self.bind(listening)
                bound.append(listener)
                self.sockets.opened(listening.settings, listener)
            }
        } catch {
            // The files of UNIX sockets do not go by themselves.
            for listener in bound { await listener.close() }
            throw error
        }
        self.onReadiness(.serving)
        await self.onServing(bound.map(\.endpoint))
        try? await gracefulShutdown()
        self.onReadiness(.draining)
        await self.drain(bound)
    }

    private func bind(_ listening: Listening) async throws -> Listener {
        let loops = self.loops
        // The port is known once it is bound, and callers come after that.
        let name = Mutex(listening.endpoint.description)
        do {
            let listener = try await Listener.bind(
                listening.endpoint, on: self.group, tls: listening.tls, unixPermissions: listening.permissions,
                inherited: listening.inherited, isPaused: self.startsPaused
            ) { loop in
                loops[loop.index].value.accept(listener: name.withLock { $0 }, access: listening.access)
            }
            name.withLock { $0 = listener.endpoint.description }
            return listener
        } catch {
            throw CannotListen(endpoint: listening.endpoint, cause: "\(error)")
        }
    }

    private func drain(_ bound: [Listener]) async {
        // As they are now: settings may have been read again since the start.
        let first = self.loops[0]
        let drainMs = await first.loop.run { first.value.runtime.settings.drainTimeoutMs }
        let limitMs = self.sockets.isHandedOver ? self.handedOverDrainMs : drainMs
        self.log.info("draining", metadata: ["limit_ms": "\(limitMs)"])
        await self.onEveryLoop { $0.startDrain() }
        for listener in bound { await listener.close() }
        try? await Task.sleep(for: Self.noticeTimes.least)
        await self.wait(Self.noticeTimes.most - Self.noticeTimes.least, forNo: { $0.connectionsOwedNotice })
        await self.onEveryLoop { $0.finishDrain() }
        let left = await self.wait(.milliseconds(limitMs), forNo: { $0.connectionCount })
        if left > 0 { self.log.warning("drain limit reached", metadata: ["connections": "\(left)"]) }
        await self.onEveryLoop { $0.abort() }
    }

    /// Waits until no loop counts anything any more, `limit` at most, and returns what is left.
    @discardableResult
    private func wait(
        _ limit: Duration, forNo count: @escaping @Sendable (ProxyLoop) -> Int
    ) async -> Int {
        let deadline = ContinuousClock.now + limit
        while true {
            var left = 0
            for loop in self.loops { left += await loop.loop.run { count(loop.value) } }
            if left == 0 || ContinuousClock.now >= deadline { return left }
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return left }
        }
    }

    private func onEveryLoop(_ body: @escaping @Sendable (ProxyLoop) -> Void) async {
        for loop in self.loops { await loop.loop.run { body(loop.value) } }
    }
}

/// An address to serve on could not be bound.
struct CannotListen: Error, CustomStringConvertible {
    let endpoint: Endpoint
    let cause: String

    var description: String { "cannot listen on \(self.endpoint): \(self.cause)" }
}
