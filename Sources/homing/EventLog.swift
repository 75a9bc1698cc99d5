import Logging
import Synchronization
import Transport

/// What happened lately, for operators: every log message from `info` up, whatever the log level is, and the level itself,
/// which may change while the process runs. Safe to use from every thread.
///
/// ```
/// Logger ─► EventLogHandler ─┬─ at or above the level ─► stderr
///                            └─ info and above ────────► the last 512, for /api/events
/// ```
/// So there is one place where something is said, and whatever is said can be seen on the admin port.
final class EventLog: Sendable {
    struct Event: Sendable {
        /// Counts the events of this process, from 1.
        var id: Int
        var unixMs: Int
        var level: Logger.Level
        var message: String
        var fields: [String: String]
    }

    static let capacity = 512

    private struct Ring {
        var events: [Event] = []
        var count = 0
    }

    private let ring = Mutex(Ring())
    /// Position of the level among all levels.
    private let position: Atomic<Int>

    init(level: Logger.Level) { self.position = Atomic(Self.position(of: level)) }

    /// The least important level that is written to stderr.
    var level: Logger.Level {
        get { Logger.Level.allCases[self.position.load(ordering: .relaxed)] }
        set { self.position.store(Self.position(of: newValue), ordering: .relaxed) }
    }

    func add(_ level: Logger.Level, _ message: String, _ fields: [String: String]) {
        let unixMs = Loop.unixMs(of: Loop.now)
        self.ring.withLock { ring in
            ring.count += 1
            let event = Event(id: ring.count, unixMs: unixMs, level: level, message: message, fields: fields)
            if ring.events.count < Self.capacity {
                ring.events.append(event)
            } else {
                ring.events[(ring.count - 1) % Self.capacity] = event
            }
        }
    }

    /// The last `limit` events with an id above `after`, newest first.
    func recent(_ limit: Int, after: Int) -> [Event] {
        self.ring.withLock { ring in
            let there = min(ring.events.count, max(0, ring.count - after), max(0, limit))
            return (0..<there).map { ring.events[(ring.count - 1 - $0) % Self.capacity] }
        }
    }

    /// - Parameter next: writes what is at or above the level.
    func logger(label: String, next: @escaping @Sendable (String) -> any LogHandler) -> Logger {
        Logger(label: label) { EventLogHandler(events: self, next: next($0)) }
    }

    private static func position(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}

/// One logger's way into the event log and on to where messages are written.
struct EventLogHandler: LogHandler {
    private let events: EventLog
    private var next: any LogHandler
    /// Of this logger and its copies only: what an owner of noisy parts has asked for.
    private var floor = Logger.Level.trace

    init(events: EventLog, next: any LogHandler) {
        self.events = events
        self.next = next
        self.next.logLevel = .trace
    }

    /// The level from which messages get here; setting it quietens this logger, and never makes it say more.
    var logLevel: Logger.Level {
        get { max(self.floor, min(self.events.level, .info)) }
        set { self.floor = newValue }
    }

    var metadata: Logger.Metadata {
        get { self.next.metadata }
        set { self.next.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.next[metadataKey: key] }
        set { self.next[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        if event.level >= self.events.level { self.next.log(event: event) }
        guard event.level >= .info else { return }
        let fields = self.metadata.merging(event.metadata ?? [:]) { $1 }
        self.events.add(event.level, event.message.description, fields.mapValues(\.description))
    }
}
