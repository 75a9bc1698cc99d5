import Admin
import ArgumentParser
import Foundation

/// `homing logs`: what happened to a running homing lately.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Show what happened lately: replicas that changed, loads, reloads.",
        discussion: """
            The oldest first, one per line, times in UTC. A running homing keeps its last 512 events, whatever its log \
            level is; none of them ever holds a prompt.

            Examples:
              homing logs --limit 20
              homing logs --follow --json | jq -r 'select(.level != "info") | .message'

            Exit code 0: done. 1: nobody answers at the admin port, or the token is wrong. 2: a flag is wrong.
            """)

    @OptionGroup var flags: AdminFlags

    @Option(help: ArgumentHelp("How many events at most, 1 to 512.", valueName: "count"))
    var limit = 50

    @Flag(name: .shortAndLong, help: "Go on with events as they come, until interrupted.")
    var follow = false

    @Flag(help: "One JSON object per line, as /api/events has them.")
    var json = false

    func validate() throws { try Flags.check("--limit", self.limit, in: 1...512) }

    func run() async throws {
        try await SightExit.asking(self.flags) { client in
            let first = try await client.get("/api/events?limit=\(self.limit)", as: EventList.self)
            var last = self.show(first, after: 0)
            while self.follow {
                try await Task.sleep(for: .seconds(1))
                let new = try await client.get("/api/events?limit=512&after=\(last)", as: EventList.self)
                last = self.show(new, after: last)
            }
        }
    }

    /// Prints events, the oldest first. Returns the id of the last one, or `last` when there is none.
    private func show(_ list: EventList, after last: Int) -> Int {
        let style = TerminalStyle()
        for event in list.events.reversed() { Assembly.say(self.json ? Self.json(event) : Self.line(event, style)) }
        return list.events.first?.id ?? last
    }

    private static func json(_ event: EventSnapshot) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(event)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    static func line(_ event: EventSnapshot, _ style: TerminalStyle) -> String {
        let paint: TerminalPaint =
            switch event.level {
            case "warning": .wait
            case "error", "critical": .bad
            default: .faint
            }
        let fields = event.fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.bare($0.value))" }
        return ([Spoken.clock(unixMs: event.unixMs), style.painted(event.level, paint), event.message] + fields)
            .joined(separator: " ")
    }

    /// Without anything that a terminal would act on.
    private static func bare(_ text: String) -> String {
        let shown = String(
            text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "?" : Character($0) })
        return shown.isEmpty || shown.contains(" ") ? "\"\(shown)\"" : shown
    }
}
