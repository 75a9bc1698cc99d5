import Foundation

/// One policy's line of a comparison.
package struct ReplayRow: Encodable, Sendable {
    var policy: String
    var hit: Double
    var ttft_mean_s: Double
    var ttft_p50_s: Double
    var ttft_p90_s: Double
    var ttft_p99_s: Double
    var e2e_mean_s: Double
    var max_share: Double
    var decisions_per_s: Double

    package init(policy: String, _ result: ReplayResult) {
        self.policy = policy
        self.hit = result.hit
        self.ttft_mean_s = result.meanTTFT
        self.ttft_p50_s = result.ttft(at: 0.5)
        self.ttft_p90_s = result.ttft(at: 0.9)
        self.ttft_p99_s = result.ttft(at: 0.99)
        self.e2e_mean_s = result.meanEndToEnd
        self.max_share = result.maxShare
        self.decisions_per_s = result.decisionsPerSecond
    }

    package static func json(_ rows: [ReplayRow]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }

    package static func table(_ rows: [ReplayRow]) -> String {
        let names = ["policy", "hit", "TTFT mean", "p50", "p90", "p99", "e2e mean", "max share", "decisions/s"]
        let lines = rows.map { row in
            [
                row.policy, Self.text(row.hit, 3), Self.text(row.ttft_mean_s, 3), Self.text(row.ttft_p50_s, 3),
                Self.text(row.ttft_p90_s, 3), Self.text(row.ttft_p99_s, 3), Self.text(row.e2e_mean_s, 2),
                Self.text(row.max_share, 3), String(Int(row.decisions_per_s)),
            ]
        }
        let widths = names.indices.map { column in ([names] + lines).map { $0[column].count }.max() ?? 0 }
        return ([names] + lines).map { line in
            line.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - line[column].count)
                return column == 0 ? line[column] + space : space + line[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    private static func text(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }
}
