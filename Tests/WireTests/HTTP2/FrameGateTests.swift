import Testing

@testable import Wire

/// What a caller's frame headers say, however the bytes are cut.
struct FrameGateTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private static func frame(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
        let length = UInt32(payload.count)
        return [UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff), UInt8(length & 0xff), kind, flags]
            + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: stream >> $0) } + payload
    }

    /// What the gate says to `bytes` in pieces, and how many of all bytes were let through.
    private static func verdict(
        of bytes: [UInt8], pieceBytes: Int, limits: FrameLimits = FrameLimits()
    ) -> (offence: HTTP2Offence?, passed: Int) {
        var gate = FrameGate(limits: limits, maxHeaderListBytes: 1_000)
        var passed = 0
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            let piece = Array(bytes[start..<min(bytes.count, start + pieceBytes)])
            let refusal = unsafe piece.withUnsafeBytes { unsafe gate.check($0, at: 1) }
            if let refusal { return (refusal.offence, passed + refusal.offset) }
            passed += piece.count
        }
        return (nil, passed)
    }

    private static let headers: [UInt8] = Self.frame(1, flags: 0x5, stream: 1, [0x82])

    static let cases: [(name: String, bytes: [UInt8], offence: HTTP2Offence?)] = [
        ("a call", frame(1, flags: 0x4, stream: 1, [0x82]) + frame(0, flags: 1, stream: 1, [1, 2]), nil),
        ("DATA after the end", headers + frame(0, stream: 1, [1]), .streamClosed),
        ("HEADERS after the end", headers + frame(1, flags: 4, stream: 1, [0x82]), .streamClosed),
        (
            "HEADERS after a reset", frame(1, flags: 4, stream: 1) + frame(3, stream: 1, [0, 0, 0, 8]) + headers,
            .streamClosed
        ),
        ("a reset after the end", headers + frame(3, stream: 1, [0, 0, 0, 8]), nil),
        (
            "a stream that was left out", frame(1, flags: 4, stream: 5) + frame(1, flags: 4, stream: 3),
            .unexpectedStream
        ),
        ("PRIORITY of itself", frame(2, stream: 3, [0, 0, 0, 3, 1]), .brokenPriority),
        ("PRIORITY of another", frame(2, stream: 3, [0, 0, 0, 1, 1]), nil),
        ("PRIORITY of the connection", frame(2, stream: 0, [0, 0, 0, 1, 1]), .brokenPriority),
        ("HEADERS of itself", frame(1, flags: 0x24, stream: 3, [0x80, 0, 0, 3, 1, 0x82]), .brokenPriority),
        ("padded HEADERS of itself", frame(1, flags: 0x2c, stream: 3, [1, 0, 0, 0, 3, 1, 0x82, 0]), .brokenPriority),
        ("padded HEADERS of another", frame(1, flags: 0x2c, stream: 3, [3, 0, 0, 0, 1, 1, 0x82, 0, 0, 3]), nil),
        (
            "many continuations",
            frame(1, stream: 1) + (0..<20).flatMap { _ in frame(9, stream: 1) }, .continuationFlood
        ),
        (
            "a long block", frame(1, stream: 1) + frame(9, stream: 1, [UInt8](repeating: 0, count: 5_000)),
            .continuationFlood
        ),
    ]

    @Test(arguments: Self.cases.indices)
    func `a verdict does not depend on how the bytes are cut`(position: Int) {
        let (name, frames, offence) = Self.cases[position]
        let bytes = Self.preface + frames
        let whole = Self.verdict(of: bytes, pieceBytes: bytes.count)
        #expect(whole.offence == offence, "\(name)")
        for pieceBytes in 1...60 {
            #expect(
                Self.verdict(of: bytes, pieceBytes: pieceBytes).offence == offence, "\(name) in pieces of \(pieceBytes)"
            )
        }
        if offence == nil { #expect(whole.passed == bytes.count) }
    }

    @Test func `what comes before a refused frame is let through`() {
        let before = Self.preface + Self.headers
        let verdict = Self.verdict(of: before + Self.frame(0, stream: 1, [1, 2, 3]), pieceBytes: .max / 2)
        #expect(verdict.offence == .streamClosed && verdict.passed == before.count)
    }

    @Test func `a caller that stays below the rate is never refused, however long it goes on`() {
        var bucket = FrameBucket(perSecond: 5)
        let start: UInt64 = 1_000_000_000
        #expect((0..<10_000).allSatisfy { bucket.take(at: start + $0 * 250_000_000) })
    }

    @Test func `each incomplete frame has its own time, however the one before it ended`() {
        var gate = FrameGate(limits: FrameLimits(), maxHeaderListBytes: 1_000)
        func feed(_ bytes: [UInt8], at nowNs: UInt64) {
            _ = unsafe bytes.withUnsafeBytes { unsafe gate.check($0, at: nowNs) }
        }
        feed(Self.preface + Self.frame(4, stream: 0), at: 1)
        #expect(gate.hasBegun && gate.incompleteSinceNs == 0)
        let ping = Self.frame(6, stream: 0, [UInt8](repeating: 0, count: 8))
        feed(Array(ping[..<5]), at: 2)
        feed(Array(ping[5..<8]), at: 3)
        #expect(gate.incompleteSinceNs == 2)
        for round in UInt64(4)..<20 {
            feed(Array(ping[8...]) + Array(ping[..<8]), at: round)
            #expect(gate.incompleteSinceNs == round)
        }
        feed(Array(ping[8...]) + Self.frame(1, stream: 1, [0x82]), at: 30)
        feed(Self.frame(9, stream: 1), at: 31)
        #expect(gate.incompleteSinceNs == 30, "a header list counts from its beginning")
        feed(Self.frame(9, flags: 4, stream: 1) + Array(Self.frame(0, stream: 1, [1, 2, 3])[..<10]), at: 32)
        #expect(gate.incompleteSinceNs == 0, "DATA may take its time")
    }

    @Test func `known streams agree with a plain dictionary`() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededNumbers(seed: seed)
        var recent = RecentStreams()
        var ended: [UInt32: Bool] = [:]
        var order: [UInt32] = []
        for _ in 0..<5_000 {
            let last = order.last ?? 1
            switch random.next() % 4 {
            case 0:
                let stream = last + 2 * UInt32(1 + random.next() % 3)
                recent.open(stream)
                ended[stream] = false
                order.append(stream)
            case 1:
                if let stream = order.suffix(64).randomElement(using: &random) {
                    recent.end(stream)
                    ended[stream] = true
                }
            default:
                let known = Array(order.suffix(64))
                let stream = (last - min(last - 1, UInt32(random.next() % 200))) | 1
                let expected: HTTP2Offence? =
                    if known.contains(stream) {
                        ended[stream] == true ? .streamClosed : nil
                    } else if stream < last, order.count <= 64 || stream > known[0] {
                        .unexpectedStream
                    } else {
                        nil
                    }
                #expect(recent.offence(of: stream) == expected, "seed \(seed), stream \(stream)")
            }
        }
    }

    @Test func `an answer pays for one PING and two window updates, up to what a bucket holds`() {
        var limits = FrameLimits()
        // 100 PINGs and 1,000 of the others at once.
        limits.emptyFramesPerSecond = 100
        var gate = FrameGate(limits: limits, maxHeaderListBytes: 1_000)
        // Frames without a payload, so that the gate goes on behind one that it refused.
        func taken(_ kind: UInt8) -> Int {
            let frame = Self.frame(kind, stream: 0)
            return (0..<2_000).prefix { _ in unsafe frame.withUnsafeBytes { unsafe gate.check($0, at: 1) } == nil }
                .count
        }
        let (ping, update): (UInt8, UInt8) = (6, 8)
        _ = unsafe Self.preface.withUnsafeBytes { unsafe gate.check($0, at: 1) }
        for _ in 0..<50 { gate.answered() }
        #expect(taken(ping) == 100, "full buckets take no more")
        #expect(taken(update) == 1_000)
        for _ in 0..<30 { gate.answered() }
        #expect(taken(update) == 60)
        #expect(taken(ping) == 30, "paid to both, whichever is asked first")
        for _ in 0..<100_000 { gate.answered() }
        #expect(taken(ping) == 100)
        #expect(taken(update) == 1_000)
    }

    @Test func `a bucket gives ten seconds' worth at once and then so many per second`() {
        var bucket = FrameBucket(perSecond: 5)
        func taken(at nowNs: UInt64) -> Int { (0..<200).count { _ in bucket.take(at: nowNs) } }
        let start: UInt64 = 1_000_000_000
        #expect(taken(at: start) == 50)
        #expect(taken(at: start) == 0)
        #expect(taken(at: start + 1_000_000_000) == 5)
        #expect(taken(at: start + 1_200_000_000) == 1)
        #expect(taken(at: start + 1_000_000_000_000) == 50, "no more is saved up than that")
        bucket.give(1)
        #expect(taken(at: start + 1_000_000_000_000) == 1)
    }
}
