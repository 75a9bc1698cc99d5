import Transport
import Wire

/// The stream of a `DirectCall`. Lives on one loop; its session keeps it alive while it is open.
final class DirectCallStream: HTTP2Stream {
    private let events: AsyncStream<DirectCall.Event>.Continuation
    private var reader = GRPCFrameReader(maxMessageBytes: DirectCallStream.maxMessageBytes)
    private var hasEnded = false
    var timer: LoopTimer?
    weak var connection: DirectCallConnection?
    /// Why its connection failed, when that is known.
    var connectionFailure: DirectCall.Failure?

    /// Longest message that is taken: what workers and LocalAI take.
    private static let maxMessageBytes = 50 * 1024 * 1024

    init(_ request: DirectCall.Request, events: AsyncStream<DirectCall.Event>.Continuation) {
        self.events = events
        super.init(account: BufferAccount())
        self.send(request.body)
        self.endBody()
    }

    /// The reader has the end, or wants no more: what is still open is reset.
    func cancel() {
        guard self.isAttached, let link = self.connection?.link else { return }
        // While it connects there is nothing to reset yet.
        if link.isOpen { self.reset(.cancel) } else { link.close() }
    }

    func timeIsUp() {
        self.finish(.failed(.timedOut))
    }

    // MARK: From the session

    override func headersArrived(ended: Bool) {
        self.events.yield(.answered(self.headers.strings))
        let isGRPC = self.headers.withValue(.contentType) { $0.starts(with: "application/grpc") } ?? false
        guard isGRPC else { return self.finish(.failed(.notGRPC(httpStatus: self.headers.string(.status)))) }
        if ended { self.finish(by: self.headers) }
    }

    override func bodyArrived(_ bytes: RawSpan) {
        self.consume(bytes.byteCount)
        guard !self.hasEnded else { return }
        let events = self.events
        do throws(GRPCFrameProblem) {
            try self.reader.read(bytes) { message, _ in events.yield(.message(message.copied)) }
        } catch {
            self.finish(.failed(.notGRPC(httpStatus: self.headers.string(.status))))
        }
    }

    override func trailersArrived() { self.finish(by: self.trailers) }

    override func bodyEnded() { self.finish(by: self.headers) }

    override func closed(_ closure: StreamClosure) {
        switch closure {
        case .completed: self.finish(.failed(.reset(.noError)))
        case .reset(let code): self.finish(.failed(.reset(code)))
        case .connectionLost: self.finish(.failed(self.connectionFailure ?? .connectionLost))
        }
    }

    private func finish(by block: HeaderBlock) {
        guard let status = GRPCStatus(block) else {
            return self.finish(.failed(.notGRPC(httpStatus: self.headers.string(.status))))
        }
        self.finish(.status(status))
    }

    /// Runs once, on every path. What is still open of the stream then is of no more use to anybody.
    private func finish(_ end: DirectCall.End) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        self.timer?.cancel()
        self.events.yield(.ended(end))
        self.events.finish()
    }
}
