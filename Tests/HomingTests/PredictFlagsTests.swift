import ArgumentParser
import Connection
import Foundation
import Testing
import Transport
import Wire

@testable import homing

struct PredictFlagsTests {
    @Test func `a text alone is a user's turn for whichever model is there`() throws {
        let flags = try PredictFlags.parse(["Where does the bird live?"])
        #expect(
            try flags.place(SettingsEnvironment([:])).description == "127.0.0.1:50051" && !flags.json
                && flags.timeoutMs == 0)
        let message = try flags.message()
        #expect(message.messages == [ChatMessage("user", Array("Where does the bird live?".utf8))])
        #expect(message.usesTokenizerTemplate && message.promptCacheAll && message.prompt.isEmpty)
        #expect(message.tokens == 64 && message.modelIdentity.isEmpty)
    }

    @Test func `every flag is part of the request`() throws {
        let flags = try PredictFlags.parse([
            "--address", "unix:/run/homing.sock", "--model", "nest", "--tokens", "7", "--system", "Be brief.",
            "--timeout-ms", "250", "--json", "hello",
        ])
        #expect(
            try flags.place(SettingsEnvironment([:])).description == "unix:/run/homing.sock" && flags.json
                && flags.timeoutMs == 250)
        let message = try flags.message()
        #expect(message.messages.map { String(decoding: $0.role, as: UTF8.self) } == ["system", "user"])
        #expect(message.messages.map { String(decoding: $0.content, as: UTF8.self) } == ["Be brief.", "hello"])
        #expect(message.tokens == 7 && message.modelIdentity == Array("nest".utf8))
    }

    @Test func `a dash reads the text from stdin, bytes as they are`() throws {
        let bytes: [UInt8] = [0x61, 0, 0xFF, 0x0A]
        #expect(try PredictFlags.parse(["-"]).message(stdin: { bytes }).messages[0].content == bytes)
        #expect(try PredictFlags.parse(["x"]).message(stdin: { bytes }).messages[0].content == [0x78])
    }

    @Test(
        arguments: [
            ([], "<text>"), (["--address", "h", "x"], "write host:port"),
            (["--tokens", "0", "x"], "--tokens is a whole"),
            (["--tokens", "2147483648", "x"], "--tokens is a whole"), (["--timeout-ms", "-1", "x"], "--timeout-ms"),
            (["a", "b"], "b"),
        ] as [([String], String)])
    func `a flag that is wrong says what would be right`(arguments: [String], text: String) {
        do {
            _ = try PredictFlags.parse(arguments)
            Issue.record("the flags were accepted")
        } catch {
            #expect(PredictFlags.fullMessage(for: error).contains(text), "\(PredictFlags.fullMessage(for: error))")
            #expect(PredictFlags.exitCode(for: error).rawValue == 64)
        }
    }
}

struct PredictReportTests {
    private static let headers = [
        (":status", "200"), ("x-homing-replica", "w:1"), ("x-homing-reason", "prefix_match"),
        ("x-homing-matched-bytes", "768"), ("x-homing-prompt-bytes", "1000"), ("x-homing-retries", "2"),
    ]

    private static func outcome(_ end: DirectCall.End, headers: [(String, String)]) -> PredictRun.Outcome {
        var outcome = PredictRun.Outcome()
        outcome.text = Array("a \"jay\"".utf8)
        outcome.last = Reply(tokens: 5, promptTokens: 250, promptMs: 12)
        outcome.explanation = PredictRun.Explanation(headers.map { (name: $0.0, value: $0.1) })
        outcome.firstTokenMs = 12.34
        outcome.totalMs = 1_234.5
        outcome.end = end
        return outcome
    }

    private static let address = Endpoint(.host("h", port: 1))
    private static let ok = DirectCall.End.status(GRPCStatus(.ok, ""))

    @Test func `what homing explains is told`() {
        let report = PredictReport(Self.outcome(Self.ok, headers: Self.headers), address: Self.address)
        #expect(
            report.text == """
                replica         w:1 (prefix_match, after 2 that failed)
                prompt matched  76 % (768 of 1000 bytes)
                first token     12.3 ms
                tokens          5 in 1235 ms
                """)
    }

    @Test func `a server that is no homing is called that`() {
        let report = PredictReport(Self.outcome(Self.ok, headers: [(":status", "200")]), address: Self.address)
        #expect(report.text.contains("h:1 does not say: it is no homing"))
        #expect(!report.text.contains("matched"))
    }

    @Test func `a pick without a hint has no matched share`() throws {
        let explanation = try #require(
            PredictRun.Explanation([(name: "x-homing-replica", value: "w:1"), (name: "x-homing-reason", value: "cold")])
        )
        #expect(explanation.matchedShare == nil && explanation.retries == 0 && explanation.reason == "cold")
    }

    @Test func `JSON has every figure, the answer and the status`() throws {
        let report = PredictReport(Self.outcome(Self.ok, headers: Self.headers), address: Self.address)
        let object = try JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any]
        let fields = try #require(object)
        #expect(fields["replica"] as? String == "w:1" && fields["reason"] as? String == "prefix_match")
        #expect(fields["matched_bytes"] as? Int == 768 && fields["prompt_bytes"] as? Int == 1_000)
        #expect(fields["matched_share"] as? Double == 0.768 && fields["retries"] as? Int == 2)
        #expect(fields["first_token_ms"] as? Double == 12.34 && fields["tokens"] as? Int == 5)
        #expect(fields["prompt_tokens"] as? Int == 250 && fields["prompt_ms"] as? Double == 12)
        #expect(fields["text"] as? String == "a \"jay\"" && fields["status"] as? String == "OK")
        #expect(fields["status_text"] == nil && fields["address"] as? String == "h:1")
    }

    @Test(
        arguments: [
            (.status(GRPCStatus(.ok, "")), nil), (.status(GRPCStatus(.notFound, "no")), 1),
            (.failed(.connectFailed(.refused)), 69), (.failed(.connectionLost), 1), (.failed(.timedOut), 1),
            (.failed(.notGRPC(httpStatus: "404")), 1),
        ] as [(DirectCall.End, Int32?)])
    func `the exit code says whether there was an answer, and a peer`(end: DirectCall.End, code: Int32?) {
        let report = PredictReport(Self.outcome(end, headers: []), address: Self.address)
        var thrown: Int32?
        do { try report.throwIfFailed() } catch { thrown = (error as? ExitCode)?.rawValue }
        #expect(thrown == code)
    }
}
