internal import CLinux
internal import Glibc

extension Link {
    /// So many regions of one link in a turn; then it is the others' turn.
    private static let mostRegions = 4

    /// Writes what the handler has to send, region by region, while the kernel takes it.
    func drain() {
        self.isCorked = false
        guard self.isOpen, self.unsent.isEmpty, self.writeProblem == 0, let handler = self.handler else { return }
        let region = unsafe self.loop.turns.output.plain
        var more = true
        var regions = 0
        while more, self.unsent.isEmpty, self.writeProblem == 0, regions < Self.mostRegions {
            var output = unsafe OutputRawSpan(buffer: region, initializedCount: 0)
            more = handler.linkDrains(into: &output)
            let count = unsafe output.finalize(for: region)
            guard count > 0 else {
                more = false
                break
            }
            unsafe self.write(UnsafeRawBufferPointer(rebasing: region[..<count]))
            guard self.isWatched else { return }
            regions += 1
        }
        if more {
            // With bytes that wait, the kernel says when to go on.
            if self.unsent.isEmpty { self.needsDrain() }
        } else if self.closesAfterDrain {
            self.closesAfterDrain = false
            if self.closure == nil { self.closure = .closedByUs }
            if self.unsent.isEmpty { self.saidEverything() } else { self.closesWhenSent = true }
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        guard let tls = self.tls else { return unsafe self.send(bytes) }
        guard unsafe tls.encrypt(bytes) else { return self.finish(self.closure ?? .broken("TLS: cannot write")) }
        self.writeRecords()
    }

    /// Sends what the TLS library made since the last time.
    func writeRecords() {
        let records = self.loop.turns.output.records
        guard records.count > 0 else { return }
        if self.isWatched { unsafe self.send(records.bytes) }
        records.clear()
    }

    /// Bytes that the kernel does not take wait in memory of the link's own.
    private func send(_ bytes: UnsafeRawBufferPointer) {
        guard self.unsent.isEmpty else { return unsafe self.unsent.append(contentsOf: bytes) }
        guard let sent = unsafe self.sendNow(bytes), sent < bytes.count else { return }
        unsafe self.unsent = Array(bytes[sent...])
        self.unsentStart = 0
        self.watch(for: HOMING_READABLE | HOMING_WRITABLE)
    }

    func writeUnsent() {
        guard !self.unsent.isEmpty else { return }
        // The link may end meanwhile, and this with it.
        let unsent = self.unsent
        let start = self.unsentStart
        let sent = unsafe unsent.withUnsafeBytes { bytes in
            unsafe self.sendNow(UnsafeRawBufferPointer(rebasing: bytes[start...]))
        }
        guard let sent else { return }
        self.unsentStart = start + sent
        guard self.unsentStart == unsent.count else { return }
        self.unsent = []
        self.watch(for: HOMING_READABLE)
        if self.closesWhenSent {
            self.closesWhenSent = false
            self.saidEverything()
        } else {
            self.needsDrain()
        }
    }

    /// How many bytes the kernel took, or will never take; nil when the link is over.
    private func sendNow(_ bytes: UnsafeRawBufferPointer) -> Int? {
        while true {
            let count = unsafe Glibc.send(self.descriptor, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return 0
            case let problem where (problem == EPIPE || problem == ECONNRESET) && self.closure == nil:
                // The kernel goes on telling of what is there to read, and then of the end.
                self.writeProblem = problem
                return bytes.count
            case let problem:
                self.failed("send", problem)
                return nil
            }
        }
    }

    // MARK: Last words

    /// Everything has been sent.
    func saidEverything() {
        guard self.isWatched else { return }
        if let tls = self.tls {
            tls.sayGoodbye()
            self.writeRecords()
            guard self.isWatched else { return }
        }
        // A peer that is gone already has nothing to be waited for.
        guard self.isAccepted, shutdown(self.descriptor, CInt(SHUT_WR)) == 0, self.loop.turns.output.mayLinger() else {
            return self.finish(self.closure ?? .closedByUs)
        }
        let bound = LoopBound(self, on: self.loop)
        let timer = self.loop.schedule(after: Self.lingerNs) { bound.value.finish(bound.value.closure ?? .closedByUs) }
        self.linger = (timer, Self.lingerBytes)
        self.tellHandler(self.closure ?? .closedByUs)
    }

    /// How long, and for how many bytes, a link lingers: about what a peer may have under way by the connection's window.
    private static let lingerNs: UInt64 = 1_000_000_000
    private static let lingerBytes = 4 * 1024 * 1024

    /// Bytes that came when nobody was there for them any more.
    func dropped(_ count: Int) {
        guard let linger = self.linger else { return }
        self.linger?.bytesLeft -= count
        if linger.bytesLeft <= count { self.finish(self.closure ?? .closedByUs) }
    }
}
