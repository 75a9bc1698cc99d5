import Dispatch
import Foundation
import Synchronization
import Telemetry
import Testing

/// Keeps what was written, and can hold a write or refuse it.
private final class MemorySink: AccessLogSink {
    struct Refused: Error {}

    private let bytes = Mutex<[UInt8]>([])
    private let gate: DispatchSemaphore?
    private let refuses: Bool
    let entered = DispatchSemaphore(value: 0)

    init(gate: DispatchSemaphore? = nil, refuses: Bool = false) {
        self.gate = gate
        self.refuses = refuses
    }

    var text: String { String(decoding: self.bytes.withLock { $0 }, as: UTF8.self) }
    var lines: [String] { self.text.utf8.split(separator: UInt8(ascii: "\n")).map { String($0)! } }

    func write(_ bytes: [UInt8]) throws {
        self.entered.signal()
        self.gate?.wait()
        if self.refuses { throw Refused() }
        self.bytes.withLock { $0 += bytes }
    }
}

private func fullEntry() -> AccessLogEntry {
    var entry = AccessLogEntry(
        startUnixMs: 1_793_606_400_123, peer: "10.0.0.7:5310", listener: "127.0.0.1:50051",
        method: "/backend.Backend/PredictStream", total: .microseconds(1_234_567))
    entry.cluster = "chat"
    entry.model = "llama 3"
    entry.requestID = "req-7"
    entry.traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    entry.replica = "10.0.1.2:50052"
    entry.pickReason = "prefix_match"
    entry.matchedBlocks = 12
    entry.matchedShare = 0.75
    entry.grpcStatus = 14
    entry.grpcStatusName = "UNAVAILABLE"
    entry.resetCode = 8
    entry.requestBytes = 3_100
    entry.requestMessages = 1
    entry.responseBytes = 9_000
    entry.responseMessages = 120
    entry.firstResponse = .nanoseconds(12_345_678)
    entry.retries = 2
    entry.queueWait = .microseconds(1_500)
    entry.expectedFirstResponse = .milliseconds(20)
    entry.localReply = "no_replica"
    return entry
}

private func emptyEntry() -> AccessLogEntry {
    AccessLogEntry(startUnixMs: 0, peer: "-", listener: "", method: "/a=b", total: .zero)
}

private func lines(_ format: AccessLog.Format, _ entries: [AccessLogEntry]) async -> [String] {
    let sink = MemorySink()
    let log = AccessLog(format: format, sink: sink, metrics: MetricRegistry())
    let writer = AccessLogWriter(to: log)
    for entry in entries { writer.write(entry) }
    await log.finish(within: .seconds(60))
    return sink.lines
}

@Suite struct AccessLogTests {
    @Test func `a text line names every field in order, and what there is none of`() async {
        let written = await lines(.text, [fullEntry(), emptyEntry()])
        #expect(
            written == [
                "time=2026-11-02T08:00:00.123Z peer=10.0.0.7:5310 listener=127.0.0.1:50051 "
                    + "method=/backend.Backend/PredictStream cluster=chat model=\"llama 3\" request_id=req-7 "
                    + "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 replica=10.0.1.2:50052 "
                    + "reason=prefix_match matched_blocks=12 matched_share=0.750 grpc_status=14 "
                    + "grpc_status_name=UNAVAILABLE reset_code=8 request_bytes=3100 request_messages=1 "
                    + "response_bytes=9000 response_messages=120 first_response_ms=12.345 total_ms=1234.567 "
                    + "retries=2 queue_wait_ms=1.500 expected_ms=20.000 local_reply=no_replica",
                "time=1970-01-01T00:00:00.000Z peer=\"-\" listener=\"\" method=\"/a=b\" cluster=- model=- request_id=- "
                    + "traceparent=- replica=- "
                    + "reason=- matched_blocks=- matched_share=- grpc_status=- grpc_status_name=- reset_code=- "
                    + "request_bytes=0 request_messages=0 response_bytes=0 response_messages=0 first_response_ms=- "
                    + "total_ms=0.000 retries=0 queue_wait_ms=- expected_ms=- local_reply=-",
            ])
    }

    @Test func `a JSON line names every field in order, and what there is none of`() async {
        let written = await lines(.json, [fullEntry(), emptyEntry()])
        #expect(
            written == [
                #"{"time":"2026-11-02T08:00:00.123Z","peer":"10.0.0.7:5310","listener":"127.0.0.1:50051","#
                    + #""method":"/backend.Backend/PredictStream","cluster":"chat","model":"llama 3","#
                    + #""request_id":"req-7","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","#
                    + #""replica":"10.0.1.2:50052","reason":"prefix_match","matched_blocks":12,"matched_share":0.750,"#
                    + #""grpc_status":14,"grpc_status_name":"UNAVAILABLE","reset_code":8,"request_bytes":3100,"#
                    + #""request_messages":1,"response_bytes":9000,"response_messages":120,"#
                    + #""first_response_ms":12.345,"total_ms":1234.567,"retries":2,"#
                    + #""queue_wait_ms":1.500,"expected_ms":20.000,"local_reply":"no_replica"}"#,
                #"{"time":"1970-01-01T00:00:00.000Z","peer":"-","listener":"","method":"/a=b","cluster":null,"#
                    + #""model":null,"request_id":null,"traceparent":null,"replica":null,"reason":null,"matched_blocks":null,"matched_share":null,"#
                    + #""grpc_status":null,"grpc_status_name":null,"reset_code":null,"request_bytes":0,"#
                    + #""request_messages":0,"response_bytes":0,"response_messages":0,"first_response_ms":null,"#
                    + #""total_ms":0.000,"retries":0,"queue_wait_ms":null,"expected_ms":null,"local_reply":null}"#,
            ])
    }

    @Test func `nothing that a peer sends forges a line, a field or an escape sequence`() async throws {
        let hostile = "/x\ntime=1970 peer=\"evil\\\" \u{1B}[2J\u{202E}\u{2028}\u{85}é😀\u{0}\r"
        var entry = fullEntry()
        entry.method = hostile
        let text = try #require(await lines(.text, [entry]).only)
        let quoted =
            #"method="/x\u{000a}time=1970 peer=\"evil\\\" \u{001b}[2J\u{202e}\u{2028}\u{0085}\u{00e9}"#
            + #"\u{01f600}\u{0000}\u{000d}" cluster="#
        #expect(text.contains(quoted))
        #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
        let json = try #require(await lines(.json, [entry]).only)
        #expect(json.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["method"] as? String == hostile)
    }

    @Test(arguments: [AccessLog.Format.text, .json])
    func `a text of any length is cut`(format: AccessLog.Format) async throws {
        var entry = fullEntry()
        entry.method = String(repeating: "é", count: 100_000)
        let line = try #require(await lines(format, [entry]).only)
        #expect(line.utf8.count < 4_000)
        #expect(line.contains("e9...\"") || line.contains("e9}...\""))
    }

    @Test(arguments: [(Double.nan, "0.000"), (-1, "0.000"), (7, "1.000"), (.infinity, "1.000"), (0.3335, "0.334")])
    func `a share that is none does not stop the line`(share: Double, shown: String) async throws {
        var entry = fullEntry()
        entry.matchedShare = share
        #expect(try #require(await lines(.text, [entry]).only).contains("matched_share=\(shown) "))
    }

    @Test func `random instants agree with Foundation`() async throws {
        var generator = SystemRandomNumberGenerator()
        let instants =
            [0, 951_782_399_999, 951_782_400_000, 4_107_542_400_000, 253_402_300_799_999]
            + (0..<500).map { _ in Int.random(in: 0..<253_402_300_800_000, using: &generator) }
        let entries = instants.map { instant in
            AccessLogEntry(startUnixMs: instant, peer: "p", listener: "l", method: "m", total: .zero)
        }
        let written = await lines(.text, entries)
        try #require(written.count == instants.count)
        for (line, instant) in zip(written, instants) {
            let seconds = Date(timeIntervalSince1970: Double(instant / 1_000)).formatted(.iso8601).dropLast()
            let milliseconds = String(String(instant % 1_000 + 1_000).dropFirst())
            #expect(line.hasPrefix("time=\(seconds).\(milliseconds)Z "), "instant \(instant)")
        }
    }

    @Test func `an entry is not even made while the log is off`() async {
        let sink = MemorySink()
        let log = AccessLog(format: .off, sink: sink, metrics: MetricRegistry())
        let writer = AccessLogWriter(to: log)
        var made = 0
        func make() -> AccessLogEntry {
            made += 1
            return fullEntry()
        }
        writer.write(make())
        await log.finish(within: .seconds(60))
        #expect(made == 0 && sink.text.isEmpty)
    }

    @Test func `lines of many loops arrive whole and none is lost`() async {
        let sink = MemorySink()
        let metrics = MetricRegistry()
        let log = AccessLog(format: .text, sink: sink, metrics: metrics, maxPendingBytes: 64 << 20, gather: .zero)
        await withTaskGroup { group in
            for loop in 0..<8 {
                group.addTask {
                    let writer = AccessLogWriter(to: log)
                    var entry = fullEntry()
                    for line in 0..<500 {
                        entry.peer = "\(loop):\(line)"
                        writer.write(entry)
                    }
                }
            }
        }
        await log.finish(within: .seconds(60))
        let peers = sink.lines.compactMap { line in line.split(separator: " ").first { $0.hasPrefix("peer=") } }
        #expect(peers.count == 4_000 && Set(peers).count == 4_000)
        #expect(sink.lines.allSatisfy { $0.hasPrefix("time=") && $0.hasSuffix(" local_reply=no_replica") })
        for loop in 0..<8 {
            let own = peers.filter { $0.hasPrefix("peer=\(loop):") }
            #expect(own == (0..<500).map { "peer=\(loop):\($0)" }, "lines of one loop keep their order")
        }
    }

    @Test func `while the sink is stuck, lines past the bound are dropped and counted, and no loop waits`() async {
        let gate = DispatchSemaphore(value: 0)
        let sink = MemorySink(gate: gate)
        let metrics = MetricRegistry()
        let log = AccessLog(format: .text, sink: sink, metrics: metrics, maxPendingBytes: 10_000, gather: .zero)
        let writer = AccessLogWriter(to: log)
        writer.write(fullEntry())
        sink.awaitWrite()
        for _ in 0..<100 { writer.write(fullEntry()) }
        let length = await lines(.text, [fullEntry()]).joined().utf8.count + 1
        let kept = 10_000 / length
        #expect(
            metrics.exposition().contains(
                #"homing_access_log_dropped_total{cause="queue_full"} \#(100 - kept)"# + "\n"))
        // The end of the process does not wait for a reader that never reads.
        await log.finish(within: .zero)
        for _ in 0..<4 { gate.signal() }
        await log.finish(within: .seconds(60))
        #expect(sink.lines.count == 1 + kept)
        writer.write(fullEntry())
        gate.signal()
        await log.finish(within: .seconds(60))
        #expect(sink.lines.count == 2 + kept, "after the pressure lines are taken again")
    }

    @Test func `lines that the sink refuses are counted`() async {
        let metrics = MetricRegistry()
        let log = AccessLog(format: .json, sink: MemorySink(refuses: true), metrics: metrics)
        let writer = AccessLogWriter(to: log)
        for _ in 0..<3 { writer.write(fullEntry()) }
        await log.finish(within: .seconds(60))
        #expect(metrics.exposition().contains(#"homing_access_log_dropped_total{cause="write_failed"} 3"# + "\n"))
    }

    @Test func `a file descriptor receives the lines and stays open`() async throws {
        let pipe = Pipe()
        let log = AccessLog(
            format: .text, sink: FileSink(descriptor: pipe.fileHandleForWriting.fileDescriptor),
            metrics: MetricRegistry())
        let writer = AccessLogWriter(to: log)
        writer.write(fullEntry())
        await log.finish(within: .seconds(60))
        try pipe.fileHandleForWriting.write(contentsOf: Data("end\n".utf8))
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try #require(try pipe.fileHandleForReading.readToEnd()), as: UTF8.self)
        #expect(text.hasPrefix("time=2026-11-02T08:00:00.123Z ") && text.hasSuffix(" local_reply=no_replica\nend\n"))
    }
}

extension MemorySink {
    /// Blocks until the queue has handed over a batch; the gate holds it there.
    fileprivate func awaitWrite() { self.entered.wait() }
}

extension Array {
    fileprivate var only: Element? { self.count == 1 ? self[0] : nil }
}
