import Testing
import Wire

@testable import Wire

@Suite struct HTTP2SessionTests {
    private static let fields: [(name: String, value: String)] = [
        ("x-one", "1"), ("x-twice", "b"), ("x-twice", "a"), ("x-empty", ""), ("data-bin", "AAECAw=="),
        ("x-one", "again"), ("x-long", String(repeating: "v", count: 3_000)),
    ]

    /// A request with a body and an answer with body and trailers.
    private static func roundTrip(_ pair: SessionPair, body: [UInt8]) throws {
        let request = pair.request(fields: Self.fields)
        request.send(body)
        request.endBody()
        pair.exchange()
        let arrived = try #require(pair.server.streams.last)
        #expect(arrived.events == (body.isEmpty ? ["headers", "ended"] : ["headers", "body", "ended"]))
        #expect(arrived.received == body && arrived.headers.string(.path) == "/service/Method")
        #expect(arrived.headers.strings.suffix(Self.fields.count).map { "\($0)" } == Self.fields.map { "\($0)" })
        pair.respond(arrived, fields: Self.fields)
        arrived.send(body)
        arrived.endBody(trailers: [("grpc-status", "0"), ("t-bin", "AA==")])
        pair.exchange()
        #expect(
            request.events == (body.isEmpty ? [] : ["headers", "body"]) + (body.isEmpty ? ["headers"] : []) + [
                "trailers", "closed",
            ])
        #expect(request.received == body && request.closure == .completed && arrived.closure == .completed)
        #expect(
            request.trailers.strings.map { "\($0)" }
                == [("grpc-status", "0"), ("t-bin", "AA==")].map { "(name: \"\($0.0)\", value: \"\($0.1)\")" })
        #expect(pair.client.session.streamCount == 0 && pair.server.session.streamCount == 0)
        #expect(pair.account.bytes == 0 && request.framed == body.count && arrived.framed == body.count)
    }

    private static func sensitive(_ headers: HeaderBlock) -> [HeaderToken] {
        (0..<headers.count).filter { headers[$0].isSensitive }.map { headers[$0].token }
    }

    @Test(arguments: [1, 2, 3, 7, 9, 64, 16_384, Int.max])
    func `bytes in pieces of any size mean the same`(pieceBytes: Int) throws {
        let pair = SessionPair(pieceBytes: pieceBytes)
        for count in [0, 1, 5, 1_000, 20_000] {
            try Self.roundTrip(pair, body: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        }
    }

    @Test func `one exchange cut at every position means the same`() throws {
        let source = SessionPair()
        let request = source.request(fields: [("x-one", "1")])
        request.send([1, 2, 3])
        request.endBody()
        let bytes = source.output(of: source.client)
        for cut in 0...bytes.count {
            let pair = SessionPair()
            pair.feed(Array(bytes[..<cut]), to: pair.server)
            pair.feed(Array(bytes[cut...]), to: pair.server)
            let arrived = try #require(pair.server.streams.first)
            #expect(arrived.received == [1, 2, 3] && arrived.events == ["headers", "body", "ended"], "cut at \(cut)")
        }
    }

    @Test(arguments: [HTTP2Session.smallestRegion, 20_000, 64 * 1024, 256 * 1024])
    func `a body larger than the region comes out whole, without anything from the peer in between`(
        regionBytes: Int
    ) throws {
        let pair = SessionPair(regionBytes: regionBytes) {
            $0.streamWindowBytes = 8 * 1024 * 1024
            $0.connectionWindowBytes = 8 * 1024 * 1024
        }
        pair.exchange()
        let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 2) }
        let request = pair.request()
        request.send(body)
        request.endBody()
        pair.feed(pair.output(of: pair.client), to: pair.server)
        #expect(request.framed == body.count)
        #expect(pair.server.streams.first?.received == body)
    }

    @Test func `a reader that gives nothing back gets the window and no more, until it does`() throws {
        let pair = SessionPair { $0.streamWindowBytes = 100_000 }
        pair.exchange()
        let slow = pair.request()
        slow.send([UInt8](repeating: 1, count: 500_000))
        pair.output(of: pair.client).withExtendedLifetime { pair.feed($0, to: pair.server) }
        let arrived = try #require(pair.server.streams.first)
        arrived.consumes = false
        pair.exchange()
        let before = arrived.received.count
        #expect(before <= 200_000)
        pair.exchange()
        #expect(arrived.received.count == before && pair.account.bytes == 500_000 - slow.framed)
        // Another stream is not held up: the connection's window is given back on arrival.
        let other = pair.request()
        other.send([UInt8](repeating: 2, count: 90_000))
        other.endBody()
        pair.exchange()
        #expect(pair.server.streams.last?.received.count == 90_000)
        arrived.consumes = true
        arrived.consume(100_000)
        slow.endBody()
        pair.exchange()
        #expect(arrived.received.count == 500_000 && arrived.events.last == "ended")
    }

    @Test(arguments: [false, true]) func `a peer is given its window back unless it has ended`(ended: Bool) throws {
        let pair = SessionPair { $0.streamWindowBytes = 100_000 }
        pair.exchange()
        let sender = pair.request()
        sender.send([UInt8](repeating: 1, count: 60_000))
        if ended { sender.endBody() }
        pair.feed(pair.output(of: pair.client), to: pair.server)
        #expect(pair.server.streams.first?.received.count == 60_000)
        let bytes = pair.output(of: pair.server)
        var (start, updates) = (0, 0)
        while start < bytes.count {
            if bytes[start + 3] == 8, bytes[start + 8] == UInt8(sender.id) { updates += 1 }
            start += 9 + Int(bytes[start]) << 16 + Int(bytes[start + 1]) << 8 + Int(bytes[start + 2])
        }
        #expect(updates == (ended ? 0 : 1))
    }

    @Test func `a received header list goes to another session by reference, in order and with its flags`() throws {
        let first = SessionPair()
        let second = SessionPair()
        let request = RecordingStream(account: first.account)
        let list = first.client.session.newHeaderList()
        list.append(":method", "POST")
        list.append(":scheme", "http")
        list.append(":path", "/a")
        list.append(":authority", "b")
        list.append(unindexed: "grpc-timeout", Array("1S".utf8))
        for field in Self.fields { list.append(name: field.name, value: field.value) }
        #expect(first.client.session.submitRequest(request, list, ended: true))
        first.exchange()
        let arrived = try #require(first.server.streams.first)
        #expect(arrived.events == ["headers, ended"])
        #expect(Self.sensitive(arrived.headers).count == 1)

        let relayed = RecordingStream(account: second.account)
        let copy = second.client.session.newHeaderList()
        copy.append(arrived.headers)
        #expect(second.client.session.submitRequest(relayed, copy, ended: true))
        second.exchange()
        let end = try #require(second.server.streams.first)
        #expect(end.headers.strings.map { "\($0)" } == arrived.headers.strings.map { "\($0)" })
        #expect(Self.sensitive(end.headers) == [.grpcTimeout])

        // The same for trailers, which are submitted from inside nghttp2's read callback.
        second.respond(end)
        end.send([1])
        end.endBody(trailers: Self.fields)
        second.exchange()
        first.respond(arrived)
        arrived.endBody(trailers: relayed.trailers)
        first.exchange()
        #expect(request.trailers.strings.map { "\($0)" } == Self.fields.map { "\($0)" })
        #expect(request.closure == .completed)
    }

    @Test(arguments: [("v w", "v w"), (" \t v w\t ", "v w"), ("\t", ""), ("", "")])
    func `white space around a value counts as it came, and is not passed on`(sent: String, kept: String) throws {
        let pair = SessionPair()
        let request = pair.request(fields: [("x-padded", sent)], ended: true)
        pair.exchange()
        let arrived = try #require(pair.server.streams.first)
        let fields = arrived.headers.strings
        #expect(fields.last.map { "\($0)" } == "(name: \"x-padded\", value: \"\(kept)\")")
        let whole = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
        #expect(arrived.headers.size == whole + sent.utf8.count - kept.utf8.count)
        pair.respond(arrived, ended: true)
        pair.exchange()
        #expect(request.closure == .completed)
    }

    @Test func `headers alone are a whole answer`() throws {
        let pair = SessionPair()
        let request = pair.request(ended: true)
        pair.exchange()
        let arrived = try #require(pair.server.streams.first)
        pair.respond(arrived, fields: [("grpc-status", "9")], ended: true)
        pair.exchange()
        #expect(request.events == ["headers, ended", "closed"] && request.headers.string(.grpcStatus) == "9")
    }

    @Test(arguments: [(600, 1), (0, 3), (300, 2)])
    func `hundreds of headers and values of 20 KB pass`(small: Int, large: Int) throws {
        let pair = SessionPair()
        let many = (0..<small).map { (name: "x-\($0)", value: String(repeating: "v", count: $0 % 50)) }
        let large = (0..<large).map { (name: "l-\($0)", value: String(repeating: "\($0)", count: 20_000)) }
        let request = pair.request(fields: many + large, ended: true)
        pair.exchange()
        let arrived = try #require(pair.server.streams.first)
        #expect(arrived.headers.strings.dropFirst(4).map { "\($0)" } == (many + large).map { "\($0)" })
        pair.respond(arrived, fields: large + many, ended: true)
        pair.exchange()
        #expect(request.headers.strings.dropFirst().map { "\($0)" } == (large + many).map { "\($0)" })
    }

    @Test func `a request that is too large to send is closed, and others go on`() throws {
        let pair = SessionPair()
        let large = (0..<4).map { (name: "l-\($0)", value: String(repeating: "\($0)", count: 20_000)) }
        let request = pair.request(fields: large, ended: true)
        let other = pair.request(ended: true)
        pair.exchange()
        #expect(request.closure == .reset(.refusedStream) && pair.server.streams.count == 1)
        pair.respond(try #require(pair.server.streams.first), ended: true)
        pair.exchange()
        #expect(other.closure == .completed)
    }

    @Test func `a header list that is too large is told to its stream, which may answer, and to no other`() throws {
        let pair = SessionPair { $0.maxHeaderListBytes = 4_096 }
        let large = pair.request(fields: [("x", String(repeating: "x", count: 5_000))], ended: true)
        let other = pair.request(ended: true)
        pair.exchange()
        #expect(pair.server.streams.count == 2)
        #expect(pair.server.streams[0].headersAreTooLarge && !pair.server.streams[1].headersAreTooLarge)
        for stream in pair.server.streams { pair.respond(stream, ended: true) }
        pair.exchange()
        #expect(large.closure == .completed && other.closure == .completed)
    }

    @Test func `a reset reaches the other side with its code, from either side`() throws {
        let pair = SessionPair()
        let request = pair.request()
        pair.exchange()
        request.reset(.cancel)
        pair.exchange()
        #expect(request.closure == .reset(.cancel) && pair.server.streams[0].closure == .reset(.cancel))
        let refused = pair.request()
        pair.exchange()
        pair.server.streams[1].reset(.refusedStream)
        pair.exchange()
        #expect(refused.closure == .reset(.refusedStream))
        #expect(pair.client.idles == 2 && pair.server.idles == 2)
    }

    @Test func `a request that is reset before it was sent is closed without a word to the peer`() {
        let pair = SessionPair()
        pair.exchange()
        let request = pair.request()
        request.send([1, 2, 3])
        request.reset(.cancel)
        pair.exchange()
        #expect(request.closure == .reset(.cancel) && pair.server.streams.isEmpty)
        #expect(pair.client.session.streamCount == 0)
    }

    @Test func `a GOAWAY lets streams finish that were taken, and refuses new ones`() throws {
        let pair = SessionPair()
        let taken = pair.request(ended: true)
        pair.exchange()
        pair.server.session.submitGoAway(.noError)
        pair.exchange()
        #expect(pair.client.goAways.map(\.last) == [1])
        let late = pair.request(ended: true)
        pair.exchange()
        #expect(!late.wasSubmitted || late.closure == .reset(.refusedStream))
        pair.respond(try #require(pair.server.streams.first), ended: true)
        pair.exchange()
        #expect(taken.closure == .completed && pair.client.session.isOver && pair.server.session.isOver)
    }

    @Test func `what comes in one piece with a flood is not looked at`() {
        let pair = SessionPair { $0.limits.resetsPerSecond = 1 }
        pair.exchange()
        let calm = (0..<10).map { _ in pair.request() }
        pair.exchange()
        #expect(pair.server.streams.count == 10)
        // Ten resets are a full bucket; the eleventh is one too many, and with it the two requests before.
        for stream in calm { stream.reset(.cancel) }
        pair.exchange()
        let late = [pair.request(), pair.request()]
        let bytes = pair.output(of: pair.client) + Self.frame(type: 3, stream: 21, words: [8])
        #expect(pair.feed(bytes, to: pair.server) == .refused(.rapidReset))
        #expect(pair.server.streams.count == 10, "the last two were not begun")
        pair.feed(pair.output(of: pair.server), to: pair.client)
        #expect(pair.client.goAways.map(\.code) == [.enhanceYourCalm] && pair.client.goAways.map(\.last) == [19])
        // So their caller may try them elsewhere.
        pair.exchange()
        #expect(late.allSatisfy { $0.closure == .reset(.refusedStream) })
    }

    @Test func `a session knows whether its settings were acknowledged`() {
        let pair = SessionPair()
        let fromClient = pair.output(of: pair.client)
        pair.feed(fromClient, to: pair.server)
        #expect(!pair.server.session.settingsAreAcknowledged && !pair.client.session.settingsAreAcknowledged)
        pair.feed(pair.output(of: pair.server), to: pair.client)
        #expect(pair.client.session.settingsAreAcknowledged && !pair.server.session.settingsAreAcknowledged)
        pair.exchange()
        #expect(pair.server.session.settingsAreAcknowledged)
    }

    @Test(arguments: [(growth: UInt32(1), fails: true), (growth: 0, fails: false)])
    func `an initial window that takes an open stream past the largest window ends the connection`(
        growth: UInt32, fails: Bool
    ) {
        let pair = SessionPair()
        pair.exchange()
        // The stream's window is the largest one; another stream's is not.
        let streams = [pair.request(), pair.request()]
        pair.exchange()
        let initial = UInt32(HTTP2Settings().streamWindowBytes)
        let increment = UInt32(Int32.max) - initial
        pair.feed(Self.frame(type: 8, stream: 1, words: [increment]), to: pair.client)
        let entry: [UInt8] = [0, 4] + Self.bytes(initial + growth)
        pair.feed([0, 0, 6, 4, 0, 0, 0, 0, 0] + entry, to: pair.client)
        let goAway: [UInt8] = [0, 0, 8, 7, 0, 0, 0, 0, 0] + Self.bytes(0) + Self.bytes(3)
        let output = pair.output(of: pair.client)
        #expect((output.suffix(goAway.count) == goAway[...]) == fails)
        #expect(pair.client.session.isOver == fails)
        pair.client.session.connectionLost()
        pair.server.session.connectionLost()
        #expect(streams.allSatisfy { $0.closure != nil })
    }

    private static func bytes(_ word: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) }
    }

    private static func frame(type: UInt8, stream: UInt32, words: [UInt32]) -> [UInt8] {
        let payload = words.flatMap(self.bytes)
        return [0, 0, UInt8(payload.count), type, 0] + self.bytes(stream) + payload
    }

    @Test func `a lost connection closes every stream once, and nothing is sent afterwards`() {
        let pair = SessionPair()
        let requests = (0..<10).map { _ in pair.request() }
        for request in requests { request.send([UInt8](repeating: 1, count: 100)) }
        pair.exchange()
        for request in requests { request.send([2]) }
        pair.client.session.connectionLost()
        pair.server.session.connectionLost()
        for request in requests { #expect(request.events == ["closed"] && request.closure == .connectionLost) }
        for stream in pair.server.streams {
            #expect(stream.events == ["headers", "body", "closed"] && stream.closure == .connectionLost)
        }
        #expect(pair.client.idles == 1 && pair.server.idles == 1)
        let late = pair.request()
        #expect(!late.wasSubmitted && !late.isAttached)
        requests[0].send([1])
        requests[0].reset(.cancel)
        requests[0].consume(5)
    }

    @Test func `events of a stream may reset, answer and start others from inside`() throws {
        let pair = SessionPair()
        let request = pair.request()
        request.send([1])
        var follower: RecordingStream?
        request.onEvent = { event in
            if event == "closed" { follower = pair.request(ended: true) }
        }
        pair.feed(pair.output(of: pair.client), to: pair.server)
        let arrived = try #require(pair.server.streams.first)
        pair.respond(arrived)
        arrived.reset(.internalError)
        pair.exchange()
        let next = try #require(follower)
        pair.respond(try #require(pair.server.streams.last), ended: true)
        pair.exchange()
        #expect(next.closure == .completed)
    }

    @Test func `a body that is kept can be sent again, on another session`() throws {
        let first = SessionPair()
        let second = SessionPair()
        let request = RecordingStream(account: first.account)
        request.keepBodyForRetry()
        request.send([1, 2, 3])
        request.endBody()
        _ = first.request(request)
        first.exchange()
        #expect(first.server.streams.first?.received == [1, 2, 3] && request.canSendBodyAgain)
        #expect(first.account.bytes == 3)
        first.server.streams.first?.reset(.refusedStream)
        first.exchange()
        #expect(request.closure == .reset(.refusedStream))
        request.forgetReceived()
        #expect(request.rewindBody() == 3)
        request.send([4])
        _ = second.request(request)
        second.exchange()
        #expect(second.server.streams.first?.received == [1, 2, 3, 4] && request.framed == 7)
        request.dropBodyKeptForRetry()
        #expect(!request.canSendBodyAgain && first.account.bytes == 0)
    }

    @Test func `as many streams as may be open are found, in whatever order they come and go`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededNumbers(seed: seed)
        let pair = SessionPair()
        pair.exchange()
        var open: [(request: RecordingStream, arrived: RecordingStream)] = []
        for most in [10, 13, 100, 900, 20] {
            while open.count < most {
                let request = pair.request(ended: true)
                pair.exchange()
                open.append((request, try #require(pair.server.streams.last)))
            }
            for _ in 0..<most - 5 {
                let (request, arrived) = open.remove(at: Int(random.next() % UInt64(open.count)))
                pair.respond(arrived)
                arrived.send([UInt8(truncatingIfNeeded: most)])
                arrived.endBody()
                pair.exchange()
                #expect(request.received == [UInt8(truncatingIfNeeded: most)], "seed \(seed)")
                #expect(request.closure == .completed && arrived.closure == .completed, "seed \(seed)")
            }
            #expect(pair.server.session.streamCount == open.count, "seed \(seed)")
        }
    }

    @Test func `stream objects are used again as if they were new`() throws {
        let pair = SessionPair()
        let request = RecordingStream(account: pair.account)
        let spare = RecordingStream(account: pair.account)
        for round in 0..<5 {
            pair.server.spare = [spare]
            _ = pair.request(request, fields: [("round", "\(round)")])
            request.send([UInt8](repeating: UInt8(round), count: 70_000 * round))
            request.endBody()
            pair.exchange()
            #expect(spare.received == [UInt8](repeating: UInt8(round), count: 70_000 * round))
            #expect(spare.headers.strings.last?.value == "\(round)")
            pair.respond(spare, fields: [("round", "\(round)")])
            spare.send([UInt8(round)])
            spare.endBody(trailers: [("grpc-status", "\(round)")])
            pair.exchange()
            #expect(request.closure == .completed && request.trailers.string(.grpcStatus) == "\(round)")
            #expect(request.trailers.count == 1)
            for stream in [request, spare] {
                stream.reuse()
                stream.received = []
                stream.closure = nil
                #expect(stream.headers.isEmpty && stream.trailers.isEmpty && stream.heldBytes == 0)
            }
        }
        #expect(pair.account.bytes == 0)
    }

    @Test func `a stream that is reused while its old header list goes on gets nothing of it`() throws {
        // Trailers in two frames, with the stream reset in between.
        let source = SessionPair { $0.maxHeaderListBytes = 512 * 1024 }
        let sender = source.request()
        source.exchange()
        sender.send([1])
        sender.endBody(trailers: [("x", String(repeating: "x", count: 40_000))])
        let bytes = source.output(of: source.client)

        let pair = SessionPair { $0.maxHeaderListBytes = 512 * 1024 }
        _ = pair.request()
        pair.exchange()
        let arrived = try #require(pair.server.streams.first)
        pair.feed(Array(bytes.prefix(20_000)), to: pair.server)
        #expect(arrived.received == [1])
        arrived.reset(.cancel)
        _ = pair.output(of: pair.server)
        #expect(arrived.closure == .reset(.cancel))
        arrived.reuse()
        pair.feed(Array(bytes.dropFirst(20_000)), to: pair.server)
        #expect(arrived.headers.isEmpty && arrived.trailers.isEmpty)
    }

    @Test func `what is no HTTP/2 is told from HTTP/2 gone wrong`() {
        let pair = SessionPair()
        #expect(pair.feed(Array("GET / HTTP/1.1\r\n\r\n".utf8), to: pair.server) == .notHTTP2)
        #expect(pair.server.session.hasFailed)
        #expect(pair.feed([1, 2, 3], to: pair.server) == .failed)
        let other = SessionPair()
        other.exchange()
        // A DATA frame on stream zero.
        other.feed([0, 0, 1, 0, 0, 0, 0, 0, 0, 7], to: other.server)
        let goodbye = other.output(of: other.server)
        #expect(goodbye.contains(7) && other.server.session.isOver)
    }
}

extension Array<UInt8> {
    fileprivate func withExtendedLifetime(_ body: ([UInt8]) -> Void) { body(self) }
}
