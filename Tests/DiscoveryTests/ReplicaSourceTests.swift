import Logging
import Synchronization
import Testing

@testable import Discovery

/// Answers one look after the other.
private final class ScriptedLookup: ReplicaLookup {
    let subject = "script"
    private let script: Mutex<[Result<LookupAnswer, DiscoveryFailure>]>

    init(_ script: [Result<LookupAnswer, DiscoveryFailure>]) { self.script = Mutex(script.reversed()) }

    func look() throws(DiscoveryFailure) -> LookupAnswer {
        guard let next = self.script.withLock({ $0.popLast() }) else {
            preconditionFailure("the clock ends the source before")
        }
        return try next.get()
    }
}

/// Keeps what is logged.
private struct KeptLog: LogHandler {
    let lines: Lines
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]
    final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = self.metadata.merging(event.metadata ?? [:]) { $1 }
        let text = fields.keys.sorted().map { "\($0)=\(fields[$0]!)" }.joined(separator: " ")
        self.lines.all.withLock { $0.append("\(event.level) \(event.message) \(text)") }
    }
}

@Suite struct `A source of replicas` {
    private struct Seen {
        var lists: [[String]]
        var waits: [Int]
        var lines: [String]
        var status: SourceStatus
    }

    /// Runs a source through a script on a clock that takes no time.
    private func run(_ script: [Result<LookupAnswer, DiscoveryFailure>]) async -> Seen {
        let waits = Mutex<[Int]>([])
        let lists = Mutex<[[String]]>([])
        let lines = KeptLog.Lines()
        let clock = DiscoveryClock(unixMs: { 1_000 + waits.withLock { $0.reduce(0, +) } }) { wait in
            let count = waits.withLock { waits in
                waits.append(wait)
                return waits.count
            }
            if count == script.count { throw CancellationError() }
        }
        let source = ReplicaSource(
            name: "dns", lookup: ScriptedLookup(script),
            refresh: RefreshSettings(minIntervalMs: 10, maxIntervalMs: 100, emptyAfter: 2), clock: clock,
            log: Logger(label: "test") { _ in KeptLog(lines: lines) })
        await source.run { list in lists.withLock { $0.append(list.map(\.address)) } }
        return Seen(
            lists: lists.withLock { $0 }, waits: waits.withLock { $0 }, lines: lines.all.withLock { $0 },
            status: source.status)
    }

    private func list(_ addresses: String..., ttlMs: Int? = nil) -> Result<LookupAnswer, DiscoveryFailure> {
        .success(.replicas(addresses.map { DiscoveredReplica(address: $0) }, ttlMs: ttlMs))
    }

    @Test func `hands on what changes, waits as told, and says once what is wrong`() async {
        let down = Result<LookupAnswer, DiscoveryFailure>.failure(DiscoveryFailure("down"))
        let seen = await self.run([
            self.list("a:1", ttlMs: 50), self.list("a:1", "b:1"), down, down, down, self.list("a:1", "b:1"),
            self.list("b:1"),
        ])
        #expect(seen.lists == [["a:1"], ["a:1", "b:1"], ["b:1"]])
        #expect(seen.waits == [50, 100, 10, 20, 40, 100, 100])
        #expect(
            seen.lines == [
                "info discovery found other replicas added=1 removed=0 replicas=1 source=dns subject=script",
                "info discovery found other replicas added=1 removed=0 replicas=2 source=dns subject=script",
                "error discovery failed, the last replicas stay problem=down replicas=2 source=dns subject=script",
                "info discovery works again replicas=2 source=dns subject=script",
                "info discovery found other replicas added=0 removed=1 replicas=1 source=dns subject=script",
            ])
        #expect(seen.status.counts == [.ok: 4, .failed: 3] && seen.status.problem == nil)
        #expect(seen.status.lastSuccessUnixMs == 1_000 + 50 + 100 + 10 + 20 + 40 + 100)
    }

    @Test func `tells of an empty answer, and of the one that empties the list`() async {
        let seen = await self.run([self.list("a:1"), self.list(), self.list(), self.list()])
        #expect(seen.lists == [["a:1"], []])
        #expect(seen.lines.map { $0.split(separator: " ").prefix(1) + [] } == [["info"], ["warning"], ["info"]])
        #expect(seen.status.emptyInRow == 3 && seen.status.replicas.isEmpty)
    }

    @Test func `shows what is wrong for as long as it is`() async {
        let seen = await self.run([self.list("a:1"), .failure(DiscoveryFailure("down"))])
        #expect(seen.status.problem == "down" && seen.status.replicas.map(\.address) == ["a:1"])
    }
}

@Suite struct `Work that blocks` {
    @Test func `returns what it made`() async {
        #expect(await BlockingWork(label: "test").run { 42 } == 42)
    }

    @Test func `is left alone when its task is cancelled, before or while it runs`() async {
        let work = BlockingWork(label: "test")
        let (mayEnd, hasBegun) = (Gate(), Gate())
        let task = Task {
            await work.run {
                hasBegun.open()
                mayEnd.wait()
                return 1
            }
        }
        await hasBegun.opened()
        task.cancel()
        #expect(await task.value == nil)
        let late = Task {
            try? await Task.sleep(for: .seconds(600))
            return await work.run { 2 }
        }
        late.cancel()
        #expect(await late.value == nil)
        mayEnd.open()
    }

    /// Opens once; waited for by a thread or by a task.
    private final class Gate: Sendable {
        private let stream: AsyncStream<Void>
        private let continuation: AsyncStream<Void>.Continuation
        private let isOpen = Mutex(false)

        init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

        func open() {
            self.isOpen.withLock { $0 = true }
            self.continuation.finish()
        }

        func opened() async { for await _ in self.stream {} }

        /// Spins: the waiting thread is one of the work's own.
        func wait() { while !self.isOpen.withLock({ $0 }) {} }
    }
}
