import Admin
import ArgumentParser
import Foundation
import UnixSignals

/// `homing top`: the fleet, live.
struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch replicas and decisions of a running homing, live.",
        discussion: """
            The table of 'homing status', the last decisions and the last events, drawn anew every second; Ctrl-C ends \
            it. When the output is no terminal it is printed once, or as often as --count says, with an empty line \
            between.

            Examples:
              homing top
              homing top --interval-ms 200 --admin 10.0.0.7:9901
              homing top --count 3 > three-looks.txt

            Exit code 0: done. 1: nobody answers at the admin port, or the token is wrong. 2: a flag is wrong.
            """)

    @OptionGroup var flags: AdminFlags

    @Option(help: ArgumentHelp("Time between two looks, 100 to 60000.", valueName: "ms"))
    var intervalMs = 1_000

    @Option(help: ArgumentHelp("Looks to take; 0 goes on until interrupted. Default: 0 on a terminal, else 1."))
    var count: Int?

    @Flag(help: "One JSON object per look, as of 'homing status'.")
    var json = false

    func validate() throws {
        try Flags.check("--interval-ms", self.intervalMs, in: 100...60_000)
        try Flags.check("--count", self.count ?? 0, in: 0...1_000_000_000)
    }

    func run() async throws {
        let isLive = TerminalStyle.isTerminal && !self.json && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        let looks = self.count ?? (TerminalStyle.isTerminal ? 0 : 1)
        try await SightExit.asking(self.flags) { client in
            guard isLive else { return try await self.watch(client, looks) { $0.joined(separator: "\n") + "\n\n" } }
            let screen = Screen()
            defer { screen.restore() }
            // The screen has to be given back whatever ends us.
            let interrupted = Task {
                for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) {
                    screen.restore()
                    Foundation.exit(0)
                }
            }
            defer { interrupted.cancel() }
            try await self.watch(client, looks) { Screen.frame($0) }
        }
    }

    /// Looks again and again; what `drawn` makes of the lines is written at once.
    private func watch(_ client: AdminClient, _ looks: Int, drawn: ([String]) -> String) async throws {
        let style = TerminalStyle()
        var look = 0
        while true {
            let report = try await FleetReport(asking: client)
            if self.json {
                Assembly.say(report.json)
            } else {
                let decisions = try await client.get("/api/decisions?limit=10", as: DecisionList.self).decisions
                let events = try await client.get("/api/events?limit=5", as: EventList.self).events
                let lines = report.lines(style) + Self.lines(decisions, style) + Self.lines(events, style)
                FileHandle.standardOutput.write(Data(drawn(lines).utf8))
            }
            look += 1
            if looks > 0, look >= looks { return }
            try await Task.sleep(for: .milliseconds(self.intervalMs))
        }
    }

    static func lines(_ decisions: [DecisionSnapshot], _ style: TerminalStyle) -> [String] {
        guard !decisions.isEmpty else { return [] }
        var table = TextTable([
            .text("decision"), .text("call"), .text("replica"), .text("why"), .number("held"), .number("expected"),
            .number("first token"), .text("in flight then"),
        ])
        for pick in decisions {
            let loads = pick.candidates.map { $0.replica == pick.replica ? "[\($0.inFlight)]" : "\($0.inFlight)" }
            let after = pick.retries > 0 ? ", retry \(pick.retries)" : ""
            table.add([
                .init(text: Spoken.clock(unixMs: pick.unixMs)), .init(text: pick.method), .init(text: pick.replica),
                .init(text: pick.reason + (pick.diverted ? ", diverted" : "") + after),
                .init(text: Spoken.share(pick.matchedShare)), .init(text: Spoken.duration(ms: pick.expectedMs)),
                .init(text: Spoken.duration(ms: pick.observedMs)), .init(text: loads.joined(separator: " ")),
            ])
        }
        return [""] + table.lines(style)
    }

    static func lines(_ events: [EventSnapshot], _ style: TerminalStyle) -> [String] {
        events.isEmpty ? [] : [""] + events.reversed().map { LogsCommand.line($0, style) }
    }
}

/// The terminal's other screen, on which a picture is drawn over the last one.
private struct Screen {
    init() { Self.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J") }

    /// Shows the cursor and what was there before.
    func restore() { Self.write("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l") }

    /// Written over what is there, line by line, so that nothing flickers.
    static func frame(_ lines: [String]) -> String {
        "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\r\n" }.joined() + "\u{1B}[J"
    }

    private static func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
