import Wire

/// A client session and a server session, joined in memory: what one drains the other receives, in pieces of a size
/// that the test chooses.
final class SessionPair {
    let client: End
    let server: End
    let account = BufferAccount()
    /// Bytes that one `receive` gets at most.
    private let pieceBytes: Int
    /// Bytes that one `drain` may fill.
    private let regionBytes: Int

    /// One side: its session, and what it was told.
    final class End: HTTP2SessionDelegate {
        private(set) var session: HTTP2Session!
        let account: BufferAccount
        /// Requests in the order in which they came.
        var streams: [RecordingStream] = []
        /// Objects that requests get before new ones are made.
        var spare: [RecordingStream] = []
        var drains = 0
        var settings = 0
        var goAways: [(last: Int32, code: HTTP2ErrorCode)] = []
        /// How often it had no stream left.
        var idles = 0

        init(_ role: HTTP2Session.Role, _ factory: HTTP2SessionFactory, account: BufferAccount) {
            self.account = account
            self.session = HTTP2Session(role, factory: factory, delegate: self)
        }

        func makeStream() -> HTTP2Stream {
            let stream = self.spare.popLast() ?? RecordingStream(account: self.account)
            self.streams.append(stream)
            return stream
        }
        func sessionNeedsDrain() { self.drains += 1 }
        func settingsArrived() { self.settings += 1 }
        func goAwayArrived(lastStreamID: Int32, code: HTTP2ErrorCode) { self.goAways.append((lastStreamID, code)) }
        func lastStreamClosed() { self.idles += 1 }
    }

    /// - Parameter serverFactory: for servers that share what their factory has; by default each has its own.
    init(
        pieceBytes: Int = .max, regionBytes: Int = 64 * 1024, serverFactory: HTTP2SessionFactory? = nil,
        settings change: (inout HTTP2Settings) -> Void = { _ in }
    ) {
        var settings = HTTP2Settings()
        change(&settings)
        self.pieceBytes = pieceBytes
        self.regionBytes = regionBytes
        self.client = End(.client, HTTP2SessionFactory(settings: settings), account: self.account)
        self.server = End(.server, serverFactory ?? HTTP2SessionFactory(settings: settings), account: self.account)
    }

    /// Everything that `end` has to send now.
    func output(of end: End) -> [UInt8] {
        var all: [UInt8] = []
        var more = true
        while more {
            let piece: [UInt8]
            (piece, more) = self.region(of: end)
            if piece.isEmpty { break }
            all += piece
        }
        return all
    }

    /// What one `drain` of `end` gives, and whether there is more.
    func region(of end: End) -> (bytes: [UInt8], more: Bool) {
        var more = false
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: self.regionBytes) { region, count in
            var output = unsafe OutputRawSpan(buffer: UnsafeMutableRawBufferPointer(region), initializedCount: 0)
            more = end.session.drain(into: &output)
            count = unsafe output.finalize(for: UnsafeMutableRawBufferPointer(region))
        }
        return (bytes, more)
    }

    @discardableResult
    func feed(_ bytes: [UInt8], to end: End) -> HTTP2Session.ReceiveResult {
        var result = HTTP2Session.ReceiveResult.ok
        var start = 0
        while start < bytes.count, result == .ok {
            let count = min(self.pieceBytes, bytes.count - start)
            result = Array(bytes[start..<start + count]).withRawSpan { end.session.receive($0) }
            start += count
        }
        return result
    }

    /// Moves bytes both ways until neither side has any.
    func exchange() {
        while true {
            let up = self.output(of: self.client)
            self.feed(up, to: self.server)
            let down = self.output(of: self.server)
            self.feed(down, to: self.client)
            if up.isEmpty, down.isEmpty { return }
        }
    }

    /// Starts a request of the client with these headers behind the usual ones.
    func request(
        _ stream: RecordingStream? = nil, fields: [(name: String, value: String)] = [], ended: Bool = false
    ) -> RecordingStream {
        let stream = stream ?? RecordingStream(account: self.account)
        let list = self.client.session.newHeaderList()
        list.append(":method", "POST")
        list.append(":scheme", "http")
        list.append(":path", "/service/Method")
        list.append(":authority", "test")
        for field in fields { list.append(name: field.name, value: field.value) }
        stream.wasSubmitted = self.client.session.submitRequest(stream, list, ended: ended)
        return stream
    }

    /// Answers a request of the server with these headers.
    func respond(_ stream: RecordingStream, fields: [(name: String, value: String)] = [], ended: Bool = false) {
        let list = self.server.session.newHeaderList()
        list.append(":status", 200)
        for field in fields { list.append(name: field.name, value: field.value) }
        self.server.session.submitResponse(stream, list, ended: ended)
    }
}

/// Writes down what it is told.
final class RecordingStream: HTTP2Stream {
    var wasSubmitted = false
    var consumes = true
    var events: [String] = []
    var received: [UInt8] = []
    var framed = 0
    var closure: StreamClosure?
    /// Called with each event's name, inside the event.
    var onEvent: (String) -> Void = { _ in }

    private func note(_ event: String) {
        self.events.append(event)
        self.onEvent(event)
    }

    override func headersArrived(ended: Bool) { self.note(ended ? "headers, ended" : "headers") }
    override func bodyArrived(_ bytes: RawSpan) {
        self.received += bytes.copied
        if self.consumes { self.consume(bytes.byteCount) }
        if self.events.last != "body" { self.note("body") }
    }
    override func trailersArrived() { self.note("trailers") }
    override func bodyEnded() { self.note("ended") }
    override func bodyFramed(_ count: Int) { self.framed += count }
    override func closed(_ closure: StreamClosure) {
        self.closure = closure
        self.note("closed")
    }
}
