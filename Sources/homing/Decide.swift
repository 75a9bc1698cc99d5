public import ArgumentParser
import Foundation
import Replay
import Routing

/// `homing decide`: the router as a program on pipes.
struct Decide: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decide",
        abstract: "Decide where prompts go, one JSON line in and one out, on the time that the lines say it is.",
        discussion: """
            init, then arrive, first_token, end and wake in any order, then bye. Every line is answered by exactly one, \
            and a line that makes no sense by {"error":"…"}, which changes nothing. The manual is the page \
            'How routing decides'.
            """)

    @Option(help: "Who chooses: \(PolicyName.allCases.map(\.rawValue).joined(separator: ", ")).")
    var policy = PolicyName.expectedTTFT

    @Option(help: "Longest time that a prompt is held back while every replica is busy; 0 holds none.")
    var maxWaitMs = 30_000

    @Option(help: "Where random choices begin.")
    var seed: UInt64 = 0

    func validate() throws {
        guard (0...86_400_000).contains(self.maxWaitMs) else { throw ValidationError("--max-wait-ms is up to a day.") }
    }

    func run() throws {
        var settings = RoutingSettings()
        settings.policy = self.policy
        settings.seed = self.seed
        settings.expectedTTFT.maxWaitMs = self.maxWaitMs
        var session = DecideSession(settings: settings)
        while !session.isOver, let line = readLine() {
            FileHandle.standardOutput.write(Data((session.answer(line.utf8) + "\n").utf8))
        }
    }
}

extension PolicyName: ExpressibleByArgument {}
