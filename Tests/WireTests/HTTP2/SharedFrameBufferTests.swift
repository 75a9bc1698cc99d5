import CCells
import Testing
import Wire

@testable import Wire

/// Server sessions of one factory make their frames in one buffer (`HTTP2SessionFactory`).
@Suite struct SharedFrameBufferTests {
    /// Regions end in the middle of bodies, so that a frame waits while others are made; header lists take more than one
    /// frame, so that there are buffers beside the shared one.
    @Test(arguments: [HTTP2Session.smallestRegion, 20_000, 33_000, 64 * 1024])
    func `sessions that take turns after every region keep their frames apart`(regionBytes: Int) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededNumbers(seed: seed)
        let factory = HTTP2SessionFactory(settings: HTTP2Settings())
        let pairs = (0..<6).map { _ in
            SessionPair(regionBytes: regionBytes, serverFactory: factory) { $0.streamWindowBytes = 1024 * 1024 }
        }
        for pair in pairs { pair.exchange() }
        var requests: [[RecordingStream]] = []
        for (index, pair) in pairs.enumerated() {
            requests.append((0..<3).map { _ in pair.request(ended: true) })
            pair.exchange()
            for (number, stream) in pair.server.streams.enumerated() {
                pair.respond(stream, fields: [("x-long", Self.text(index, number))])
                stream.send(Self.body(index, number))
                stream.endBody(trailers: [("x-end", "\(index) \(number)")])
            }
        }
        var unfinished = Array(pairs)
        while !unfinished.isEmpty {
            let place = Int(random.next() % UInt64(unfinished.count))
            let pair = unfinished[place]
            let (bytes, more) = pair.region(of: pair.server)
            #expect(pair.feed(bytes, to: pair.client) == .ok, "seed \(seed)")
            // What the client gives back.
            pair.feed(pair.output(of: pair.client), to: pair.server)
            if !more, bytes.isEmpty { unfinished.remove(at: place) }
        }
        for (index, streams) in requests.enumerated() {
            for (number, stream) in streams.enumerated() {
                #expect(stream.closure == .completed, "seed \(seed)")
                // Not compared inside, where the difference of two long ones would be told.
                let isWhole =
                    stream.received == Self.body(index, number)
                    && stream.headers.strings.last?.value == Self.text(index, number)
                #expect(isWhole, "seed \(seed)")
                #expect(stream.trailers.strings.last?.value == "\(index) \(number)", "seed \(seed)")
            }
        }
    }

    @Test func `the tables of a session of the version that we know begin small`() {
        let factory = HTTP2SessionFactory(settings: HTTP2Settings())
        let pair = SessionPair(regionBytes: 64 * 1024, serverFactory: factory)
        #expect(factory.tablesShrunk == (HTTP2SessionFactory.knowsTables && homing_cells_are_kept() ? 3 : 0))
        withExtendedLifetime(pair) {}
    }

    private static func body(_ index: Int, _ number: Int) -> [UInt8] {
        (0..<200_000 + 1_000 * index).map { UInt8(truncatingIfNeeded: $0 / 251 + 40 * index + number) }
    }

    private static func text(_ index: Int, _ number: Int) -> String {
        String(repeating: "\(index)\(number)~", count: 7_000)
    }
}
