import Logging
import Synchronization
import Testing

@testable import homing

/// Keeps the messages that would be written.
private final class Written: Sendable {
    let messages = Mutex<[String]>([])

    struct Handler: LogHandler {
        let written: Written
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) { self.written.messages.withLock { $0.append(event.message.description) } }
    }

    func logger(_ events: EventLog) -> Logger { events.logger(label: "test") { _ in Handler(written: self) } }
}

@Suite struct EventLogTests {
    @Test func `what is logged from info up is an event, whatever the level is`() {
        let (events, written) = (EventLog(level: .error), Written())
        var log = written.logger(events)
        log[metadataKey: "cluster"] = "chat"
        log.debug("small talk")
        log.info("replica changed", metadata: ["replica": "a", "to": "available"])
        log.error("model load failed")
        #expect(written.messages.withLock { $0 } == ["model load failed"])
        let recent = events.recent(10, after: 0)
        #expect(recent.map(\.message) == ["model load failed", "replica changed"] && recent.map(\.id) == [2, 1])
        #expect(recent[1].fields == ["cluster": "chat", "replica": "a", "to": "available"])
        #expect(recent.map(\.level) == [.error, .info])
    }

    @Test func `the level changes for loggers that are there already`() {
        let (events, written) = (EventLog(level: .info), Written())
        let log = written.logger(events)
        log.debug("before")
        events.level = .debug
        log.debug("after")
        events.level = .critical
        log.error("too much")
        #expect(written.messages.withLock { $0 } == ["after"] && events.level == .critical)
    }

    @Test func `a logger that was quietened stays so`() {
        let (events, written) = (EventLog(level: .info), Written())
        var log = written.logger(events)
        log.logLevel = .warning
        events.level = .trace
        log.info("noise")
        log.warning("signal")
        #expect(
            written.messages.withLock { $0 } == ["signal"] && events.recent(5, after: 0).map(\.message) == ["signal"])
    }

    @Test func `the last 512 are kept`() {
        let events = EventLog(level: .info)
        for number in 1...1_500 { events.add(.info, "\(number)", [:]) }
        let all = events.recent(10_000, after: 0)
        #expect(all.map(\.id) == Array((989...1_500).reversed()) && all.allSatisfy { $0.message == "\($0.id)" })
        #expect(events.recent(2, after: 0).map(\.id) == [1_500, 1_499])
        #expect(events.recent(10, after: 1_498).map(\.id) == [1_500, 1_499])
        #expect(events.recent(10, after: 1_500).isEmpty && events.recent(10, after: 9_999).isEmpty)
    }
}
