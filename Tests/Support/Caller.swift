package import Connection
import Synchronization
package import Transport
package import Wire

/// What a caller heard of one call.
package struct CallResult: Sendable {
    package var headers: ScriptedAnswer.Fields = []
    package var trailers: ScriptedAnswer.Fields = []
    package var body: [UInt8] = []
    /// The whole answer was one HEADERS frame.
    package var isHeadersOnly = false
    package var closure: StreamClosure?

    package func header(_ name: String) -> String? { self.headers.first { $0.name == name }?.value }
    package func trailer(_ name: String) -> String? { self.trailers.first { $0.name == name }?.value }

    package var httpStatus: String? { self.header(":status") }
    /// The gRPC status, wherever it stands; nil when there is none.
    package var status: GRPCStatusCode? {
        (self.trailer("grpc-status") ?? self.header("grpc-status")).flatMap { UInt8($0) }
            .flatMap { GRPCStatusCode(rawValue: $0) }
    }
    package var statusText: String? { self.trailer("grpc-message") ?? self.header("grpc-message") }
    /// The address of the worker that answered.
    package var worker: String? { self.header("x-worker") }
}

/// One connection of a caller. Safe to use from every thread.
package final class Caller: Sendable {
    private let connection: LoopBound<CallerConnection>

    private init(_ connection: LoopBound<CallerConnection>) { self.connection = connection }

    /// - Parameter window: bytes of one answer that may be under way to a caller that does not read.
    package static func connect(to endpoint: Endpoint, window: Int = 256 * 1024) async throws -> Caller {
        let loop = TestLoops.shared.loops[0]
        let connection = await loop.run {
            var settings = HTTP2Settings()
            settings.streamWindowBytes = window
            let connection = CallerConnection(.client, on: loop, factory: HTTP2SessionFactory(settings: settings))
            let link = Link(on: loop, handler: connection)
            connection.own(link)
            Connector.connect(link, to: endpoint, timeoutMs: 20_000)
            return LoopBound(connection, on: loop)
        }
        return Caller(connection)
    }

    /// A whole unary call: `body` goes out unchanged.
    package func call(
        _ path: String, _ body: [UInt8], headers: ScriptedAnswer.Fields = [], method: String = "POST",
        contentType: String? = "application/grpc"
    ) async throws -> CallResult {
        let call = await self.start(path, headers: headers, method: method, contentType: contentType)
        await call.send(body)
        await call.end()
        return try await call.result()
    }

    /// Begins a call.
    /// - Parameter reads: false keeps every byte of the answer's window.
    package func start(
        _ path: String, headers: ScriptedAnswer.Fields = [], method: String = "POST",
        contentType: String? = "application/grpc", reads: Bool = true, headersOnly: Bool = false
    ) async -> OpenCall {
        let bound = self.connection
        let stream = await bound.loop.run {
            let stream = CallerStream(reads: reads, account: bound.value.account)
            let session = bound.value.session
            let list = session.newHeaderList()
            list.append(name: ":method", value: method)
            list.append(":scheme", "http")
            list.append(":path", path)
            list.append(":authority", "homing.test")
            if let contentType { list.append("content-type", contentType) }
            list.append("te", "trailers")
            for field in headers { list.append(name: field.name, value: field.value) }
            if !session.submitRequest(stream, list, ended: headersOnly) { stream.closed(.connectionLost) }
            return LoopBound(stream, on: bound.loop)
        }
        return OpenCall(stream)
    }

    /// Streams that this caller has open.
    package func openStreams() async -> Int {
        let bound = self.connection
        return await bound.loop.run { bound.value.session.streamCount }
    }

    /// Whether the connection is over.
    package func isClosed() async -> Bool {
        let bound = self.connection
        return await bound.loop.run { bound.value.isClosed }
    }

    /// Cuts the connection.
    package func close() async {
        let bound = self.connection
        await bound.loop.run { bound.value.abort() }
    }
}

/// A call that is under way. Safe to use from every thread.
package struct OpenCall: Sendable {
    private let stream: LoopBound<CallerStream>

    fileprivate init(_ stream: LoopBound<CallerStream>) { self.stream = stream }

    private func run<Result: Sendable>(_ body: @escaping @Sendable (CallerStream) -> Result) async -> Result {
        let stream = self.stream
        return await stream.loop.run { body(stream.value) }
    }

    package func send(_ bytes: [UInt8]) async { await self.run { $0.send(bytes) } }
    package func end() async { await self.run { $0.endBody() } }
    package func cancel() async { await self.run { $0.reset(.cancel) } }
    /// Gives back the window of everything that has arrived, and reads from now on.
    package func read() async { await self.run { $0.startReading() } }
    /// What has been heard so far.
    package func soFar() async -> CallResult { await self.run { $0.result } }
    /// Bytes given to `send` that the proxy's window has not let out yet.
    package func unsentBytes() async -> Int { await self.run { $0.unframedBytes } }

    /// What was heard when the call is over.
    package func result() async throws -> CallResult {
        try await until("the call is over") { await self.run { $0.result.closure != nil } }
        return await self.soFar()
    }
}

final class CallerConnection: HTTP2Connection {
    let account = BufferAccount()
}

final class CallerStream: HTTP2Stream {
    private(set) var result = CallResult()
    private var reads: Bool
    private var unread = 0

    init(reads: Bool, account: BufferAccount) {
        self.reads = reads
        super.init(account: account)
    }

    func startReading() {
        self.reads = true
        self.consume(self.unread)
        self.unread = 0
    }

    override func headersArrived(ended: Bool) {
        self.result.headers = self.headers.strings
        self.result.isHeadersOnly = ended
    }

    override func bodyArrived(_ bytes: RawSpan) {
        self.result.body += bytes.copied
        if self.reads { self.consume(bytes.byteCount) } else { self.unread += bytes.byteCount }
    }

    override func trailersArrived() { self.result.trailers = self.trailers.strings }
    override func closed(_ closure: StreamClosure) { self.result.closure = closure }
}
