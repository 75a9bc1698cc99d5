import Transport

/// Looks at the upstream connections of one loop on which streams wait, with one timer, and none while nobody waits.
///
/// Lives on its loop.
final class SilenceClock {
    /// Between two looks.
    static let tickNs: UInt64 = 50_000_000

    private let loop: Loop
    private var connections: [UpstreamConnection] = []
    private var isTicking = false
    /// Time in which this loop could have heard a replica. A loop that was late, since the machine is full, has not listened
    /// meanwhile: what it took for silence would be its own.
    private var awakeNs: UInt64 = 1
    private var lastLookNs: UInt64 = 0

    init(on loop: Loop) { self.loop = loop }

    /// A stream has been opened on `connection`, which is not watched yet.
    func watch(_ connection: UpstreamConnection) {
        self.connections.append(connection)
        self.tick()
    }

    private func tick() {
        guard !self.isTicking, !self.connections.isEmpty else { return }
        self.isTicking = true
        self.lastLookNs = Loop.now
        let bound = LoopBound(self, on: self.loop)
        self.loop.schedule(after: Self.tickNs) {
            bound.value.isTicking = false
            bound.value.look(at: Loop.now)
            bound.value.tick()
        }
    }

    private func look(at now: UInt64) {
        self.awakeNs += min(now - min(now, self.lastLookNs), 2 * Self.tickNs)
        // What is done about one may open streams on another, which is then added.
        let connections = self.connections
        self.connections = []
        for connection in connections {
            if connection.looksForSilence(at: now, awake: self.awakeNs) { self.connections.append(connection) }
        }
    }
}
