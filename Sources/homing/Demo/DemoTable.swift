import Foundation
import Routing
import Wire

/// What the demo prints: a line per turn and the sums, two fleets side by side.
struct DemoTable {
    /// One fleet's figures so far, in milliseconds and tokens.
    struct Column {
        let fleet: DemoFleet
        var firstMs: [Double] = []
        var laterMs: [Double] = []
        var computedTokens = 0.0
        var promptTokens = 0

        mutating func add(_ outcome: PredictRun.Outcome, turn: Int) {
            let first = outcome.firstTokenMs ?? 0
            if turn == 0 { self.firstMs.append(first) } else { self.laterMs.append(first) }
            self.promptTokens += Int(outcome.last.promptTokens)
            self.computedTokens += outcome.last.promptMs / 1_000 * DemoFleet.prefillTokensPerSecond
        }

        var totalMs: Double { (self.firstMs + self.laterMs).reduce(0, +) }
        var meanMs: Double { self.totalMs / Double(max(1, self.firstMs.count + self.laterMs.count)) }
        var meanLaterMs: Double { self.laterMs.reduce(0, +) / Double(max(1, self.laterMs.count)) }
    }

    private(set) var left: Column
    private(set) var right: Column

    init(left: DemoFleet, right: DemoFleet) {
        self.left = Column(fleet: left)
        self.right = Column(fleet: right)
    }

    static func introduction(_ script: DemoConversations) -> String {
        let systems = Set(script.conversations.map(\.system)).count
        return """
            \(script.conversations.count) conversations of \(DemoConversations.turns) turns. Each begins with one of \
            \(systems) system prompts and a letter of its own,
            and each turn sends the whole conversation again. They go through two fleets at once, each of
            \(DemoFleet.workers) simulated workers (\(Int(DemoFleet.prefillTokensPerSecond)) prompt tokens a second) \
            behind 'homing serve'.

            """
    }

    var heading: String {
        let first =
            Self.pad("", 20) + Self.pad("policy \(self.left.fleet.policy.rawValue), the default", 50)
            + "policy \(self.right.fleet.policy.rawValue)"
        let second =
            Self.pad("conversation  turn", 20) + Self.pad("worker  why", 26) + Self.pad("matched", 10)
            + Self.pad("first token", 14) + Self.pad("worker", 8) + "first token"
        return first + "\n" + second
    }

    mutating func row(
        _ name: String, _ step: DemoConversations.Step, _ left: PredictRun.Outcome, _ right: PredictRun.Outcome
    ) -> String {
        self.left.add(left, turn: step.turn)
        self.right.add(right, turn: step.turn)
        let share = left.explanation?.matchedShare.map { "\(Int(($0 * 100).rounded())) %" } ?? "none"
        return Self.pad(name, 14) + Self.pad("\(step.turn + 1)", 6) + Self.pad(Self.worker(left, self.left.fleet), 8)
            + Self.pad(left.explanation?.reason ?? "", 18) + Self.right(share, 7) + "   "
            + Self.right(PredictReport.ms(left.firstTokenMs ?? 0), 11) + "   "
            + Self.pad(Self.worker(right, self.right.fleet), 8)
            + Self.right(PredictReport.ms(right.firstTokenMs ?? 0), 11)
    }

    var summary: String {
        func line(_ label: String, _ left: String, _ right: String, _ ratio: Double) -> String {
            Self.pad(label, 40) + Self.right(left, 16) + Self.right(right, 16)
                + Self.right(String(format: "%.1f x", ratio), 9)
        }
        func ratio(_ value: (Column) -> Double) -> Double { value(self.right) / max(value(self.left), 0.001) }
        let tokens = { (column: Column) in
            "\(Int(column.computedTokens.rounded())) of \(column.promptTokens)"
        }
        return [
            "",
            Self.pad("", 40) + Self.right(self.left.fleet.policy.rawValue, 16)
                + Self.right(self.right.fleet.policy.rawValue, 16),
            line(
                "first token, all turns together", PredictReport.ms(self.left.totalMs),
                PredictReport.ms(self.right.totalMs), ratio(\.totalMs)),
            line(
                "first token, mean", PredictReport.ms(self.left.meanMs), PredictReport.ms(self.right.meanMs),
                ratio(\.meanMs)),
            line(
                "first token, mean from the second turn", PredictReport.ms(self.left.meanLaterMs),
                PredictReport.ms(self.right.meanLaterMs), ratio(\.meanLaterMs)),
            line("prompt tokens computed", tokens(self.left), tokens(self.right), ratio(\.computedTokens)),
        ].joined(separator: "\n")
    }

    /// - Parameter program: how this program was called.
    static func farewell(_ program: String) -> String {
        """

        Everything is stopped. To see it with your own eyes:

          \(program) worker --listen 127.0.0.1:50052 --model nest-7b &
          \(program) worker --listen 127.0.0.1:50053 --model nest-7b &
          \(program) serve --replica 127.0.0.1:50052 --replica 127.0.0.1:50053 &
          \(program) predict "Where does the bird live?"

        and open http://127.0.0.1:9901/ meanwhile. Real workers go in place of these; '\(program) serve --help' says how.
        """
    }

    private static func worker(_ outcome: PredictRun.Outcome, _ fleet: DemoFleet) -> String {
        outcome.explanation.flatMap { fleet.number(of: $0.replica) }.map { "\($0)" } ?? "?"
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
