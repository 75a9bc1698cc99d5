internal import Synchronization

/// One side of TLS with what its files held when they were read last. New connections use it; those that are open keep
/// what they began with.
///
/// Reading files blocks, so it is made and reloaded by tasks, never on a loop. Safe to use from every thread.
public final class TLSContext: Sendable {
    private let state: Mutex<State>

    fileprivate struct State: Sendable {
        var side: TLSSide
        var material: TLSMaterial
        /// The files as they were at the last attempt to read them, whatever came of it.
        var seen: [FileStamp?]
        /// What was wrong at that attempt and has not been told yet.
        var problem: TLSProblem?
    }

    /// For a listener. Throws what is wrong with the files.
    public convenience init(server settings: TLSServerSettings) throws(TLSProblem) {
        try self.init(.server(settings))
    }

    /// For connections that we open. Throws what is wrong with the files.
    public convenience init(client settings: TLSClientSettings) throws(TLSProblem) {
        try self.init(.client(settings))
    }

    private init(_ side: TLSSide) throws(TLSProblem) {
        let seen = side.files.map(FileStamp.init)
        let material = try side.load()
        self.state = Mutex(State(side: side, material: material, seen: seen))
    }

    /// What other settings, or the same, say now: read and checked, and not in use yet.
    public struct Prepared: Sendable {
        fileprivate let state: State
        /// Whether the settings are others, or a file is not as it was.
        public let isNew: Bool
    }

    /// Reads what these settings name. Throws what is wrong, and changes nothing.
    public func prepare(server settings: TLSServerSettings) throws(TLSProblem) -> Prepared {
        try self.prepare(.server(settings))
    }

    /// The same for the other side.
    public func prepare(client settings: TLSClientSettings) throws(TLSProblem) -> Prepared {
        try self.prepare(.client(settings))
    }

    private func prepare(_ side: TLSSide) throws(TLSProblem) -> Prepared {
        let seen = side.files.map(FileStamp.init)
        let material = try side.load()
        let isNew = self.state.withLock { $0.seen != seen || $0.side != side }
        return Prepared(state: State(side: side, material: material, seen: seen), isNew: isNew)
    }

    /// New connections use what was prepared.
    public func take(_ prepared: Prepared) { self.state.withLock { $0 = prepared.state } }

    /// When our own certificate ends, in seconds since 1970; nil without one.
    public var expiry: Int? { self.state.withLock { $0.material.expiry } }

    /// What came of looking at the files.
    public enum Reload: Sendable, Equatable {
        case unchanged
        case replaced
        /// The files changed, and are of no use as they are; what was read before stays.
        case kept(TLSProblem)
    }

    /// Reads the files again if one of them changed since the last attempt, or in any case with `force`.
    ///
    /// A certificate and its key are replaced one after the other, and between the two nothing is wrong: so a problem is
    /// told once, and only when the files are still the same at the next look. With `force` it is told at once.
    public func reload(force: Bool = false) -> Reload {
        // Before the files are read: what changes meanwhile is found the next time.
        let side = self.side
        let seen = side.files.map(FileStamp.init)
        let (isUnchanged, problem) = self.state.withLock { state in
            defer { state.problem = nil }
            return (state.seen == seen, state.problem)
        }
        guard force || !isUnchanged else { return problem.map(Reload.kept) ?? .unchanged }
        do throws(TLSProblem) {
            let material = try side.load()
            self.state.withLock { $0 = State(side: side, material: material, seen: seen) }
            return .replaced
        } catch {
            self.state.withLock { state in
                state.seen = seen
                state.problem = force ? nil : error
            }
            return force ? .kept(error) : .unchanged
        }
    }

    private var side: TLSSide { self.state.withLock { $0.side } }

    // MARK: For new connections

    /// How long a peer may take that connects to us, in nanoseconds.
    var serverHandshakeLimitNs: UInt64 {
        guard case .server(let settings) = self.side else { return 0 }
        return UInt64(max(1, settings.handshakeTimeoutMs)) * 1_000_000
    }

    /// For a link that was accepted.
    func serverSession(on loop: Loop) -> TLSSession? {
        TLSSession(self.state.withLock { $0.material }, identity: nil, on: loop)
    }

    /// Throws when nobody there could prove who it is, and when the configured name is none that TLS can ask for.
    func clientSession(to endpoint: Endpoint, on loop: Loop) throws(TLSFailure) -> TLSSession {
        let (side, material) = self.state.withLock { ($0.side, $0.material) }
        guard let identity = side.identity(of: endpoint) else {
            throw TLSFailure(.certificate, "a UNIX socket has no name that a certificate could hold: set server_name")
        }
        guard let session = TLSSession(material, identity: identity, on: loop) else {
            throw TLSFailure(.handshake, "the server's name is none that TLS can ask for")
        }
        return session
    }

    /// What `:authority` our own requests to the endpoint carry.
    public func authority(of endpoint: Endpoint) -> String {
        guard case .client(let settings) = self.side, let name = settings.serverName else { return endpoint.authority }
        return name
    }
}
