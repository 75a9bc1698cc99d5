import Routing
import Wire

// The same for programs: an object for each turn, and one at the end.

extension DemoTable {
    private struct Turn: Encodable {
        struct Answer: Encodable {
            let policy: String
            let worker: Int?
            let reason: String?
            let matchedShare: Double?
            let firstTokenMs: Double?
        }
        let conversation: String
        let turn: Int
        let fleets: [Answer]
    }

    private struct Summary: Encodable {
        struct Fleet: Encodable {
            let policy: String
            let firstTokenTotalMs: Double
            let firstTokenMeanMs: Double
            let firstTokenMeanLaterMs: Double
            let promptTokens: Int
            let computedTokens: Int
        }
        let summary: [Fleet]
    }

    func json(
        _ name: String, _ step: DemoConversations.Step, _ left: PredictRun.Outcome, _ right: PredictRun.Outcome
    ) throws -> String {
        func answer(_ outcome: PredictRun.Outcome, _ fleet: DemoFleet) -> Turn.Answer {
            Turn.Answer(
                policy: fleet.policy.rawValue, worker: outcome.explanation.flatMap { fleet.number(of: $0.replica) },
                reason: outcome.explanation?.reason, matchedShare: outcome.explanation?.matchedShare,
                firstTokenMs: outcome.firstTokenMs)
        }
        return try JSONText.line(
            Turn(
                conversation: name, turn: step.turn + 1,
                fleets: [answer(left, self.left.fleet), answer(right, self.right.fleet)]))
    }

    func jsonSummary() throws -> String {
        try JSONText.line(
            Summary(
                summary: [self.left, self.right].map { column in
                    Summary.Fleet(
                        policy: column.fleet.policy.rawValue, firstTokenTotalMs: column.totalMs,
                        firstTokenMeanMs: column.meanMs, firstTokenMeanLaterMs: column.meanLaterMs,
                        promptTokens: column.promptTokens, computedTokens: Int(column.computedTokens.rounded()))
                }))
    }
}
