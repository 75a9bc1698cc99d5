import Admin
import Foundation
import Testing

@testable import homing

@Suite struct TerminalTests {
    @Test func `a table lines its columns up, numbers to the right`() {
        var table = TextTable([.text("name"), .number("count"), .text("why")])
        table.add([.init(text: "a"), .init(text: "7"), .init(text: "")])
        table.add([.init(text: "longer", paint: .good), .init(text: "1234567"), .init(text: "x")])
        #expect(
            table.lines(.plain) == [
                "NAME      COUNT  WHY",
                "a             7",
                "longer  1234567  x",
            ])
        let coloured = table.lines(TerminalStyle(isColoured: true))
        #expect(coloured[2] == "\u{1B}[32mlonger\u{1B}[0m  1234567  x")
    }

    @Test(arguments: [
        (0, "0s"), (59_999, "59s"), (61_000, "1m1s"), (3_660_000, "1h1m"), (90_000_000, "1d1h"), (-5, "0s"),
    ])
    func `spans are short`(ms: Int, text: String) {
        #expect(Spoken.span(ms: ms) == text)
    }

    @Test func `durations and shares are rounded to what matters`() {
        #expect(Spoken.duration(ms: nil) == "-" && Spoken.duration(ms: 1.26) == "1.3 ms")
        #expect(Spoken.duration(ms: 99.6) == "100 ms" && Spoken.duration(ms: 1_234) == "1.23 s")
        #expect(Spoken.share(nil) == "-" && Spoken.share(0.876) == "88 %")
        #expect(Spoken.clock(unixMs: 1_762_000_000_000) == "12:26:40")
    }

    @Test func `an event is one line without anything that a terminal acts on`() {
        let event = EventSnapshot(
            id: 1, unixMs: 0, level: "warning", message: "model load failed",
            fields: ["replica": "a:1", "detail": "two words\u{1B}[2J\n", "empty": ""])
        #expect(
            LogsCommand.line(event, .plain)
                == #"00:00:00 warning model load failed detail="two words?[2J?" empty="" replica=a:1"#)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 503, ""),
        ("HTTP/1.0 200 OK\r\n\r\nall there is", 200, "all there is"),
    ])
    func `an answer is read to its end`(text: String, status: Int, body: String) throws {
        let answer = try #require(AdminClient.parsed(Array(text.utf8)))
        #expect(answer.status == status && String(decoding: answer.body, as: UTF8.self) == body)
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbrok", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ])
    func `what is no whole answer is none`(text: String) {
        #expect(AdminClient.parsed(Array(text.utf8)) == nil)
    }
}
