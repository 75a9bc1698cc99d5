import Foundation
import Replay
import Testing

struct TraceTests {
    private static func read(_ text: String) throws -> Trace { try Trace(name: "t", jsonLines: Data(text.utf8)) }

    @Test func `both kinds of lines are read, in the order of their time`() throws {
        let trace = try Self.read(
            """
            {"timestamp": 5, "prompt": "hello", "output_length": 2}

            {"timestamp": 1, "input_length": 513, "output_length": 7, "hash_ids": [3, 4]}
            """)
        #expect(trace.requests.map(\.inputTokens) == [513, 2])
        #expect(trace.requests[0].blocks == [3, 4] && trace.requests[1].blocks.count == 1)
    }

    @Test(arguments: [
        "{", "[]", #"{"timestamp": -1, "prompt": "x"}"#, #"{"timestamp": 1}"#,
        #"{"timestamp": 1, "input_length": 513, "hash_ids": [1]}"#,
        #"{"timestamp": 1, "input_length": 5, "hash_ids": [-1]}"#,
    ])
    func `a bad line is named`(line: String) {
        let error = #expect(throws: Trace.Problem.self) {
            try Self.read("{\"timestamp\": 0, \"prompt\": \"x\"}\n" + line)
        }
        #expect(error?.line == 2)
    }

    @Test(arguments: SyntheticFamily.allCases)
    func `made-up traffic repeats itself with its seed only`(family: SyntheticFamily) {
        let first = Trace.synthetic(family, requests: 300, seed: 1)
        let second = Trace.synthetic(family, requests: 300, seed: 1)
        let other = Trace.synthetic(family, requests: 300, seed: 2)
        #expect(first.requests.map(\.blocks) == second.requests.map(\.blocks))
        #expect(first.requests.map(\.blocks) != other.requests.map(\.blocks))
        #expect(first.requests.count == 300)
        #expect(first.requests.allSatisfy { $0.blocks.count == ($0.inputTokens + 511) / 512 })
    }
}
