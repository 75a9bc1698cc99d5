internal import CLinux
internal import Glibc

extension Link {
    func read() {
        let region = unsafe self.loop.turns.input
        let count = unsafe recv(self.descriptor, region.baseAddress, region.count, 0)
        if count > 0 {
            unsafe self.received(UnsafeRawBufferPointer(rebasing: region[..<count]))
        } else if self.writeProblem != 0 {
            self.failed("send", self.writeProblem)
        } else if count == 0 {
            self.peerEnded()
        } else if errno != EAGAIN, errno != EINTR {
            self.failed("recv", errno)
        }
    }

    private func received(_ bytes: UnsafeRawBufferPointer) {
        guard self.closure == nil else { return self.dropped(bytes.count) }
        guard let tls = self.tls else { return unsafe self.deliver(bytes) }
        unsafe tls.feed(bytes)
        if !self.isReady { self.shakeHands() }
        if self.isReady { self.decrypt(tls) }
    }

    private func deliver(_ bytes: UnsafeRawBufferPointer) {
        unsafe self.handler?.linkReceived(RawSpan(_unsafeBytes: bytes))
    }

    private func decrypt(_ tls: TLSSession) {
        let region = unsafe self.loop.turns.output.plain
        while self.closure == nil {
            let step = unsafe tls.decrypt(into: region)
            switch step {
            case .bytes(let count): unsafe self.deliver(UnsafeRawBufferPointer(rebasing: region[..<count]))
            case .wantsInput: return self.writeRecords()
            case .ended: return self.peerEnded()
            case .failed(let failure):
                // An alert says why.
                self.writeRecords()
                return self.finish(self.closure ?? .broken("TLS: \(failure.detail)"))
            }
        }
    }

    /// The peer sends nothing more, and is taken to be gone.
    private func peerEnded() {
        if self.tls != nil, !self.isReady, self.closure == nil {
            return self.finish(.connectFailed(.tls(TLSFailure(.closed, "the peer closed the connection"))))
        }
        self.finish(self.closure ?? .closedByPeer)
    }

    // MARK: The handshake

    func shakeHands() {
        guard let tls = self.tls else { return }
        let step = tls.shakeHands()
        self.writeRecords()
        guard self.isWatched else { return }
        switch step {
        case .wantsInput: ()
        case .failed(let failure): self.refused(failure)
        case .over where tls.agreedOnHTTP2: self.opened()
        case .over: self.refused(TLSFailure(.notHTTP2, "the peer did not agree to h2 (ALPN)"))
        }
    }

    /// The link never opens.
    func refused(_ failure: TLSFailure) {
        guard !self.isReady, self.isWatched, self.handler != nil else { return }
        if self.closure == nil { self.closure = .connectFailed(.tls(failure)) }
        // What the alert says is worth waiting for, and a peer that has gone away reads nothing.
        if failure.kind == .closed || failure.kind == .timedOut {
            self.finish(self.closure ?? .connectFailed(.tls(failure)))
        } else {
            self.saidEverything()
        }
    }
}
