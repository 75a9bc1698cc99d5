import Connection
import Transport
import Wire

/// What becomes of streams that wait on a connection which has gone silent.
extension UpstreamConnection {
    /// Called now and then while streams wait here. Returns whether to look again.
    /// - Parameter awakeNs: the loop's own time, which stands still while the loop is late.
    func looksForSilence(at now: UInt64, awake awakeNs: UInt64) -> Bool {
        guard !self.isClosed else {
            self.isWatched = false
            return false
        }
        // A connect that takes long has its own limit.
        guard self.link.isOpen else { return true }
        let settings = self.pool.stallSettings
        switch self.silence.look(isWaiting: self.waitingStreams > 0, settings, at: awakeNs) {
        case .fine:
            if self.silence.isStalled {
                self.moveWaitingStreams()
            } else if self.waitingStreams > 0 {
                self.moveForgottenStreams(settings, at: now, awake: awakeNs)
            }
        case .ping:
            self.session.submitPing()
            self.sessionNeedsDrain()
        case .stalled:
            self.pool.stalled(self)
            self.moveWaitingStreams()
        case .resumed: self.pool.resumed(self)
        case .givenUp: self.giveUp()
        }
        self.isWatched = self.waitingStreams > 0 || self.silence.isStalled
        return self.isWatched
    }

    private func moveWaitingStreams() {
        var isBlocked = false
        self.session.forEachStream { stream in
            guard let stream = stream as? UpstreamStream else { return }
            // It was moved at the last look, and not even its RST_STREAM got out: nobody reads at the other end.
            if stream.isCancelled { isBlocked = true }
            stream.stallNoticed()
        }
        if isBlocked, self.hasMovedStreams { return self.giveUp() }
        self.hasMovedStreams = true
    }

    /// Streams that wait far longer than they should on a replica that answers PINGs, and nothing else.
    private func moveForgottenStreams(_ settings: StallSettings, at now: UInt64, awake awakeNs: UInt64) {
        let patience = UInt64(settings.patienceMs) * 1_000_000
        guard settings.expectedFactor > 0, awakeNs - self.silence.quietSinceNs >= patience,
            self.pool.lastAnswerNs() + patience <= now
        else { return }
        var isForgotten = false
        self.session.forEachStream { stream in
            guard let stream = stream as? UpstreamStream, stream.waits, stream.expectedNs > 0 else { return }
            let limit = max(patience, UInt64(Double(stream.expectedNs) * settings.expectedFactor))
            guard now - stream.openedNs >= limit else { return }
            isForgotten = true
            stream.stallNoticed()
        }
        if isForgotten { self.pool.forgotten() }
    }

    private func giveUp() {
        self.isGivenUp = true
        self.abort()
    }
}
