import Synchronization
import Transport

/// One end of a link that does what a test says. Its handler lives on the link's loop; the rest may be asked from
/// anywhere.
final class LinkPeer: LinkHandler, LinkOwner {
    /// What a test may know from outside of the loop.
    final class Record: Sendable {
        struct State: Sendable {
            var opened = false
            var received: [UInt8] = []
            var drained = 0
            var closures: [LinkClosure] = []
        }
        let state = Mutex(State())
        var received: [UInt8] { self.state.withLock { $0.received } }
        var drained: Int { self.state.withLock { $0.drained } }
        var closures: [LinkClosure] { self.state.withLock { $0.closures } }
        var opened: Bool { self.state.withLock { $0.opened } }
    }

    let record: Record
    private(set) var link: Link?
    /// Bytes that are still to be sent.
    private var output: [UInt8]
    private var sent = 0
    private let echoes: Bool
    /// Closes when everything has been sent.
    private let closesWhenSent: Bool
    private let closesOnReceive: Bool

    init(
        _ record: Record, output: [UInt8] = [], echoes: Bool = false, closesWhenSent: Bool = false,
        closesOnReceive: Bool = false
    ) {
        self.record = record
        self.output = output
        self.echoes = echoes
        self.closesWhenSent = closesWhenSent
        self.closesOnReceive = closesOnReceive
    }

    func own(_ link: Link) { self.link = link }

    func send(_ bytes: [UInt8]) {
        self.output += bytes
        self.link?.needsDrain()
    }

    func forgetUnsent() { self.output = Array(self.output.prefix(self.sent)) }

    func linkOpened() {
        self.record.state.withLock { $0.opened = true }
        if self.closesWhenSent { self.link?.closeAfterDrain() }
    }

    func linkReceived(_ bytes: RawSpan) {
        var copy: [UInt8] = []
        for offset in 0..<bytes.byteCount {
            copy.append(unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
        }
        self.record.state.withLock { [copy] in $0.received += copy }
        if self.closesOnReceive { self.link?.close() }
        if self.echoes { self.send(copy) }
    }

    func linkDrains(into output: inout OutputRawSpan) -> Bool {
        let count = min(output.freeCapacity, self.output.count - self.sent)
        for byte in self.output[self.sent..<self.sent + count] { output.append(byte) }
        self.sent += count
        self.record.state.withLock { $0.drained += count }
        return self.sent < self.output.count
    }

    func linkClosed(_ closure: LinkClosure) {
        self.record.state.withLock { $0.closures.append(closure) }
        self.link = nil
    }
}

/// A wait of a test that was not met in time.
struct NotInTime: Error {
    let reason: String
}

/// Waits until `condition` holds, at most 20 s.
func until(_ reason: String, _ condition: () async -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while await !condition() {
        guard ContinuousClock.now < deadline else { throw NotInTime(reason: reason) }
        try await Task.sleep(for: .milliseconds(1))
    }
}
