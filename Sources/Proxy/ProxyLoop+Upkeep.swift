import Connection
import Transport
import Wire

/// What a loop looks after now and then, with one timer while it has connections: who takes too long, who says nothing.
extension ProxyLoop {
    /// Between two looks: a quarter of the shortest limit, so that none is overdrawn by more than that.
    private var upkeepNs: UInt64 {
        let settings = self.runtime.settings
        let limits = [
            settings.handshakeTimeoutMs, settings.idleTimeoutMs, settings.streamIdleTimeoutMs,
            settings.stalledReaderTimeoutMs, settings.settingsTimeoutMs, settings.firstMessageTimeoutMs,
        ]
        let shortest = limits.filter { $0 > 0 }.min() ?? 4_000
        return UInt64(min(1_000, max(10, shortest / 4))) * 1_000_000
    }

    func scheduleUpkeep() {
        guard !self.upkeepIsScheduled, self.connectionCount > 0 else { return }
        self.upkeepIsScheduled = true
        let bound = LoopBound(self, on: self.loop)
        self.loop.schedule(after: self.upkeepNs) {
            bound.value.upkeepIsScheduled = false
            bound.value.lookAfterConnections(at: Loop.now)
            bound.value.scheduleUpkeep()
        }
    }

    private func lookAfterConnections(at now: UInt64) {
        let settings = self.runtime.settings
        let looksAtStreams =
            max(settings.streamIdleTimeoutMs, settings.stalledReaderTimeoutMs, settings.firstMessageTimeoutMs) > 0
        for connection in self.openConnections {
            if connection.endedNs > 0 {
                connection.abort()
                continue
            }
            if let defence = connection.overdue(at: now, settings) {
                self.runtime.metrics.defended(defence)
                connection.endForGood(defence.goAwayCode, at: now)
                continue
            }
            guard looksAtStreams else { continue }
            connection.session.forEachStream { ($0 as? ProxyStream)?.lookAfter(at: now, settings) }
        }
    }

    /// Makes room for one more connection: the one that has been without streams for longest goes first. False when
    /// every connection of the loop is in use.
    func makeRoomForConnection() -> Bool {
        let limit = max(1, self.runtime.settings.maxConnections / max(1, self.runtime.loopCount))
        guard self.connectionCount >= limit else { return true }
        let idle = self.openConnections.filter { $0.streamCount == 0 && !$0.isDraining && $0.endedNs == 0 }
        guard let oldest = idle.min(by: { $0.idleSinceNs < $1.idleSinceNs }) else {
            self.runtime.metrics.defended(.connectionRefused)
            return false
        }
        self.runtime.metrics.defended(.idleConnectionClosed)
        oldest.endForGood(at: Loop.now)
        return true
    }
}

extension DownstreamConnection {
    /// What this connection takes too long for.
    func overdue(at now: UInt64, _ settings: ProxySettings) -> Defence? {
        func passed(_ limitMs: Int, since: UInt64) -> Bool {
            limitMs > 0 && since > 0 && now > since && now - since > UInt64(limitMs) * 1_000_000
        }
        let isWaitedFor = self.session.peerHasBegun ? self.session.incompleteSinceNs : self.openedNs
        if passed(settings.handshakeTimeoutMs, since: isWaitedFor) { return .slowCaller }
        if !self.session.settingsAreAcknowledged, passed(settings.settingsTimeoutMs, since: self.beganNs) {
            return .settingsTimeout
        }
        if self.streamCount == 0, !self.isDraining, passed(settings.idleTimeoutMs, since: self.idleSinceNs) {
            return .idleTimeout
        }
        return nil
    }
}

extension ProxyStream {
    /// Ends a stream on which nothing moves.
    func lookAfter(at now: UInt64, _ settings: ProxySettings) {
        if self.isOverdue(at: now, settings) {
            self.runtime.metrics.defended(.firstMessageTimeout)
            return self.reply(LocalReply(.firstMessageTimeout))
        }
        if self.progressed || self.quietSinceNs == 0 {
            self.progressed = false
            self.quietSinceNs = now
            return
        }
        let quietMs = Int((now - self.quietSinceNs) / 1_000_000)
        if self.unframedBytes > 0 {
            guard settings.stalledReaderTimeoutMs > 0, quietMs > settings.stalledReaderTimeoutMs else { return }
            self.runtime.metrics.defended(.stalledReader)
            // Trailers would wait behind the bytes that the caller does not take.
            self.reset(.cancel)
        } else if settings.streamIdleTimeoutMs > 0, quietMs > settings.streamIdleTimeoutMs, !self.hasDeadline {
            switch self.phase {
            case .begun, .ended, .replied: ()
            // How long it may wait is the queue's business.
            case .waiting: ()
            // A load takes as long as it takes.
            case .holding where self.requestHasEnded: ()
            case .holding, .routed, .answering:
                self.runtime.metrics.defended(.streamIdle)
                self.endIdle()
            }
        }
    }

    /// Whether the caller has left us waiting for its first message for too long. Nobody else waits for it: with a
    /// deadline that one counts, and from the pick on it is the replica's.
    private func isOverdue(at now: UInt64, _ settings: ProxySettings) -> Bool {
        guard settings.firstMessageTimeoutMs > 0, !self.hasDeadline, self.phase == .holding, !self.requestHasEnded
        else { return false }
        return now > self.startNs && now - self.startNs > UInt64(settings.firstMessageTimeoutMs) * 1_000_000
    }
}
