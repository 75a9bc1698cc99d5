import Routing
import Testing

struct SelectTests {
    /// One row of the conformance table. A replica's name is its node and its index, as LocalAI orders them.
    struct Case: Sendable, CustomTestStringConvertible {
        var candidates: [(String, Int)]
        var hot: (String, Double)?
        var cold: [String] = []
        var result: String?

        var testDescription: String { "\(self.candidates) hot \(self.hot.map { "\($0)" } ?? "none")" }
    }

    static let cases = [
        Case(candidates: [("A0", 1), ("B0", 0)], hot: ("A0", 0.5), result: "A0"),
        Case(candidates: [("A0", 5), ("B0", 0)], hot: ("A0", 0.9), cold: ["B0", "A0"], result: "B0"),
        Case(candidates: [("A0", 0), ("B0", 0)], hot: ("A0", 0.2), cold: ["B0", "A0"], result: "B0"),
        Case(candidates: [("A0", 0), ("B0", 0), ("C0", 9)], cold: ["C0", "B0", "A0"], result: "B0"),
        Case(candidates: [], result: nil),
        Case(candidates: [("B1", 0), ("B0", 0), ("A0", 0)], result: "A0"),
        Case(candidates: [("B1", 0), ("B0", 0)], result: "B0"),
        Case(candidates: [("B1", 0)], result: "B1"),
        Case(candidates: [("A0", 50), ("A1", 0)], hot: ("A0", 1), cold: ["A1", "A0"], result: "A1"),
        Case(candidates: [("A0", 1), ("A1", 0)], hot: ("A0", 1), cold: ["A1", "A0"], result: "A0"),
        Case(candidates: [("A0", 2), ("B0", 0)], hot: ("A0", 1), cold: ["B0", "A0"], result: "B0"),
        Case(candidates: [("A0", 0), ("B0", 0)], hot: ("A0", 0.3), cold: ["B0", "A0"], result: "A0"),
        Case(candidates: [("A0", 6), ("B0", 4)], hot: ("A0", 1), cold: ["B0", "A0"], result: "A0"),
        Case(candidates: [("A0", 7), ("B0", 4)], hot: ("A0", 1), cold: ["B0", "A0"], result: "B0"),
        Case(candidates: [("A0", 0), ("B0", 0)], hot: ("Z0", 1), cold: ["B0", "A0"], result: "B0"),
        Case(candidates: [("A0", 0), ("A0", 9), ("B0", 0)], hot: ("A0", 1), cold: ["B0", "A0"], result: "A0"),
        Case(candidates: [("A0", 9), ("A0", 0), ("B0", 0)], hot: ("A0", 1), cold: ["B0", "A0"], result: "A0"),
    ]

    /// Keeps the order of the names: node bytewise, then index.
    private static func replica(_ name: String) -> ReplicaID {
        let bytes = Array(name.utf8)
        return ReplicaID(number: UInt32(bytes[0]) << 8 | UInt32(bytes[1]))
    }

    @Test(arguments: cases)
    func `the choice is LocalAI's`(row: Case) {
        let candidates = row.candidates.map { Candidate(replica: Self.replica($0.0), inFlight: $0.1) }
        let cold = row.cold.map(Self.replica)
        let position = Select.position(
            among: candidates.span,
            hot: row.hot.map { Select.Hot(replica: Self.replica($0.0), matchRatio: $0.1) },
            coldOrder: cold.span, minPrefixMatch: RoutingSettings().minPrefixMatch, loadGuard: Self.standard)
        #expect(position.map { candidates[$0].replica } == row.result.map(Self.replica))
    }

    private static let standard = LoadGuard(
        absolute: RoutingSettings().balanceAbsolute, relative: RoutingSettings().balanceRelative)

    @Test(arguments: zip([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 20], [1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 22]))
    func `a hot replica may have as many streams as LocalAI allows it`(least: Int, admissible: Int) {
        #expect(Self.standard.admits(admissible, least: least))
        #expect(!Self.standard.admits(admissible + 1, least: least))
    }

    @Test func `a guard without limit admits everybody`() {
        #expect(LoadGuard(absolute: .max, relative: .greatestFiniteMagnitude).admits(1_000_000, least: 1))
    }
}
