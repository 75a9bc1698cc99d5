import Foundation
import Replay
import Routing
import Testing

struct DecideSessionTests {
    private static let start =
        #"{"type":"init","protocol":1,"replicas":2,"block_tokens":512,"bytes_per_token":4.0,"concurrency_limit":8,"prompt_text":false}"#

    private static func session(maxWaitMs: Int = 0) -> DecideSession {
        var settings = RoutingSettings()
        settings.expectedTTFT.maxWaitMs = maxWaitMs
        return DecideSession(settings: settings)
    }

    private static func arrival(_ id: Int, at now: Double, blocks: Int, first: Int = 1) -> String {
        let names = (first..<first + blocks).map { number in
            let hex = String(number, radix: 16)
            return "\"" + String(repeating: "0", count: 16 - hex.count) + hex + "\""
        }
        return
            #"{"type":"arrive","now_ms":\#(now),"id":\#(id),"prompt_bytes":\#(blocks * 2_048),"blocks":[\#(names.joined(separator: ","))],"replicas":[{"in_flight":0,"awaiting_first_token":0},{"in_flight":0,"awaiting_first_token":0}]}"#
    }

    @Test func `a whole conversation of lines`() {
        var session = Self.session()
        #expect(session.answer(Self.start.utf8) == "{}")
        #expect(session.answer(Self.arrival(1, at: 0, blocks: 4).utf8) == #"{"replica":0}"#)
        #expect(
            session.answer(#"{"type":"first_token","now_ms":250,"id":1,"replica":0,"ttft_ms":250}"#.utf8) == "{}")
        #expect(
            session.answer(
                #"{"type":"end","now_ms":900,"id":1,"replica":0,"prompt_tokens":2048,"output_tokens":9,"prompt_ms":250}"#
                    .utf8) == "{}")
        #expect(session.answer(Self.arrival(2, at: 1_000, blocks: 6).utf8) == #"{"replica":0}"#)
        #expect(session.answer(Self.arrival(3, at: 1_000, blocks: 4, first: 50).utf8) == #"{"replica":1}"#)
        #expect(session.answer(#"{"type":"bye"}"#.utf8) == "{}" && session.isOver)
    }

    @Test func `held requests come with a later answer, by the same name`() {
        var session = Self.session(maxWaitMs: 5_000)
        _ = session.answer(Self.start.utf8)
        for id in 1...2 { _ = session.answer(Self.arrival(id, at: 0, blocks: 40, first: id * 100).utf8) }
        let held = session.answer(Self.arrival(3, at: 1, blocks: 2, first: 900).utf8)
        #expect(held.hasPrefix(#"{"hold":true,"wake_ms":"#))
        #expect(
            session.answer(#"{"type":"first_token","now_ms":2,"id":3,"replica":0,"ttft_ms":1}"#.utf8)
                .hasPrefix(#"{"error":""#))
        let answer = session.answer(#"{"type":"first_token","now_ms":2500,"id":1,"replica":0,"ttft_ms":2500}"#.utf8)
        #expect(answer == #"{"dispatch":[{"id":3,"replica":0}]}"#)
    }

    @Test(arguments: [
        "", "{", "7", "[]", "null", "{}", #"{"type":"nothing"}"#, start,
        #"{"type":"init","protocol":2,"replicas":2}"#,
        #"{"type":"arrive","now_ms":1,"id":1,"prompt_bytes":10,"blocks":["0000000000000001"]}"#,
        #"{"type":"arrive","now_ms":1,"prompt_bytes":10,"blocks":["0000000000000009"]}"#,
        #"{"type":"arrive","now_ms":1,"id":9,"prompt_bytes":10,"blocks":["9"]}"#,
        #"{"type":"arrive","now_ms":1,"id":9,"prompt_bytes":10,"blocks":["+000000000000009"]}"#,
        #"{"type":"arrive","now_ms":1,"id":9,"prompt_bytes":-10,"blocks":[]}"#,
        #"{"type":"arrive","now_ms":-1,"id":9,"prompt_bytes":10,"blocks":[]}"#,
        #"{"type":"arrive","now_ms":1e300,"id":9,"prompt_bytes":10,"blocks":[]}"#,
        #"{"type":"arrive","id":9,"prompt_bytes":10,"blocks":[]}"#,
        #"{"type":"arrive","now_ms":1,"id":9,"prompt":"text"}"#,
        #"{"type":"arrive","now_ms":1,"id":9,"prompt_bytes":10,"blocks":[],"replicas":[]}"#,
        #"{"type":"first_token","now_ms":1,"id":77,"replica":0,"ttft_ms":1}"#,
        #"{"type":"first_token","now_ms":1,"id":1,"replica":1,"ttft_ms":1}"#,
        #"{"type":"first_token","now_ms":1,"id":1,"replica":-1,"ttft_ms":1}"#,
        #"{"type":"end","now_ms":1,"id":1,"replica":0,"prompt_tokens":-1}"#,
        #"{"type":"end","now_ms":"soon","id":1,"replica":0}"#, #"{"type":"wake"}"#, "\u{0}\u{FF}",
    ])
    func `a line without sense is answered with an error and changes nothing`(line: String) {
        var disturbed = Self.session()
        var calm = Self.session()
        let lines = [
            Self.start, Self.arrival(1, at: 0, blocks: 4), Self.arrival(2, at: 1, blocks: 4, first: 100),
            #"{"type":"first_token","now_ms":600,"id":1,"replica":0,"ttft_ms":600}"#,
            Self.arrival(3, at: 700, blocks: 5), Self.arrival(4, at: 800, blocks: 5, first: 100),
        ]
        for (position, next) in lines.enumerated() {
            // Before init every line but init is an error as well.
            if position >= 2 {
                let answer = disturbed.answer(line.utf8)
                #expect(answer.hasPrefix(#"{"error":""#) && !answer.contains("\n"))
            }
            #expect(disturbed.answer(next.utf8) == calm.answer(next.utf8))
        }
        #expect(Self.session().isOver == false)
    }

    @Test func `before init there is nothing to decide`() {
        var session = Self.session()
        #expect(session.answer(Self.arrival(1, at: 0, blocks: 1).utf8).hasPrefix(#"{"error":""#))
        #expect(session.answer(Self.start.utf8) == "{}")
    }

    /// The same events through the pipes and through the table: the seam that the proxy uses.
    @Test(arguments: [0, 30_000])
    func `the pipes decide as the replay does`(maxWaitMs: Int) throws {
        let trace = Trace.synthetic(.documents, requests: 600, seed: 11).faster(4)
        var settings = RoutingSettings()
        settings.expectedTTFT.maxWaitMs = maxWaitMs
        let expected = ReplayPolicy.shipped(.expectedTTFT).run(trace, FleetSettings(), settings: settings)
        var simulation = Simulation(trace, FleetSettings())
        var router = PipeRouter(DecideSession(settings: settings), replicas: 8)
        let result = simulation.run(&router)
        #expect(result.placements == expected.placements)
    }
}

/// Asks a `DecideSession` where the requests of a simulation go.
private struct PipeRouter: Router {
    private var session: DecideSession
    private var pending: [(request: Int, replica: Int)] = []
    private(set) var wakeAt: Double?

    init(_ session: DecideSession, replicas: Int) {
        self.session = session
        _ = self.ask(["type": "init", "protocol": 1, "replicas": replicas])
    }

    mutating func arrive(_ request: Int, _ simulation: Simulation) -> Int? {
        let asked = simulation.requests[request]
        let answer = self.ask([
            "type": "arrive", "now_ms": simulation.now * 1_000, "id": request, "prompt_bytes": asked.inputTokens * 4,
            "blocks": asked.blocks.map { block in
                let hex = String(block, radix: 16)
                return String(repeating: "0", count: 16 - hex.count) + hex
            },
        ])
        return answer["replica"] as? Int
    }

    mutating func dispatch(_ simulation: Simulation) -> (request: Int, replica: Int)? {
        if self.pending.isEmpty, let wakeAt = self.wakeAt, wakeAt <= simulation.now {
            _ = self.ask(["type": "wake", "now_ms": simulation.now * 1_000])
        }
        return self.pending.isEmpty ? nil : self.pending.removeFirst()
    }

    mutating func firstToken(_ request: Int, _ simulation: Simulation) {
        _ = self.ask(["type": "first_token", "now_ms": simulation.now * 1_000, "id": request])
    }

    mutating func ended(_ request: Int, _ simulation: Simulation) {
        _ = self.ask([
            "type": "end", "now_ms": simulation.now * 1_000, "id": request,
            "prompt_tokens": simulation.requests[request].inputTokens,
        ])
    }

    private mutating func ask(_ line: [String: Any]) -> [String: Any] {
        let data = (try? JSONSerialization.data(withJSONObject: line)) ?? Data()
        let text = self.session.answer(data)
        let answer = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
        for dispatch in answer["dispatch"] as? [[String: Any]] ?? [] {
            if let request = dispatch["id"] as? Int, let replica = dispatch["replica"] as? Int {
                self.pending.append((request, replica))
            }
        }
        self.wakeAt = (answer["wake_ms"] as? Double).map { $0 / 1_000 }
        return answer
    }
}
