public import Transport
public import Wire

/// One gRPC call on a connection of its own, past every pool: what the small clients of the program and of tests use.
///
/// ```
/// start ──► connecting ──► [answered] ──► [message] … ──► ended          each is an event, in this order
///    └──────────────── failed, cancelled, out of time ─────┘
/// ```
/// The events come through an `AsyncStream`, which is not bounded: a reader that is slow costs memory, not the peer's
/// time. A reader that stops early resets the call.
public enum DirectCall {
    public struct Request: Sendable {
        public var path: String
        /// What the DATA frames carry: gRPC messages with their prefixes, or whatever a test wants said.
        public var body: [UInt8]
        /// Further header fields; names in lower case.
        public var metadata: [(name: String, value: String)] = []
        /// How long the call may take, in milliseconds; also told to the peer. Zero waits as long as it takes.
        public var timeoutMs = 0
        /// Bound on connecting, in milliseconds. At least 1.
        public var connectTimeoutMs = 10_000
        /// Nil means cleartext.
        public var tls: TLSContext?
        /// The value of `authorization`; nil sends none.
        public var authorization: [UInt8]?

        public init(path: String, body: [UInt8]) {
            self.path = path
            self.body = body
        }

        /// A request with one message, given without its prefix.
        public init(_ method: BackendMethod, message: [UInt8]) {
            self.init(path: method.path, body: GRPCFrame.framed(message))
        }
    }

    public enum Event: Sendable {
        /// The answer's header list.
        case answered([(name: String, value: String)])
        /// One message of the answer, without its prefix.
        case message([UInt8])
        /// Comes once, last.
        case ended(End)
    }

    public enum End: Sendable, Equatable {
        /// What the peer says came of it.
        case status(GRPCStatus)
        case failed(Failure)
    }

    /// Why there is no status.
    public enum Failure: Error, Sendable, Equatable {
        case connectFailed(ConnectFailure)
        case connectionLost
        /// The peer, or a reader that stopped early, reset the call.
        case reset(HTTP2ErrorCode)
        case timedOut
        /// The answer is not gRPC; `:status` when there was one.
        case notGRPC(httpStatus: String?)
    }

    /// Starts the call.
    public static func start(_ request: Request, to endpoint: Endpoint, on loop: Loop) -> AsyncStream<Event> {
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        loop.execute {
            let stream = DirectCallStream(request, events: continuation)
            let bound = LoopBound(stream, on: loop)
            // Whoever reads may let go of this last, and on any thread.
            let weak = LoopBound(Weak(stream), on: loop)
            continuation.onTermination = { _ in loop.execute { weak.value.object?.cancel() } }
            let connection = DirectCallConnection(for: stream, on: loop)
            let link = Link(on: loop, handler: connection)
            connection.own(link)
            connection.begin(request, authority: request.tls?.authority(of: endpoint) ?? endpoint.authority)
            Connector.connect(link, to: endpoint, timeoutMs: max(1, request.connectTimeoutMs), tls: request.tls)
            guard request.timeoutMs > 0 else { return }
            stream.timer = loop.schedule(after: UInt64(request.timeoutMs) * 1_000_000) { bound.value.timeIsUp() }
        }
        return events
    }
}

/// A whole answer.
public struct DirectAnswer: Sendable {
    public var headers: [(name: String, value: String)] = []
    public var messages: [[UInt8]] = []
    public var end = DirectCall.End.failed(.connectionLost)

    /// What the peer said came of it; nil when it did not get to say so.
    public var status: GRPCStatus? {
        switch self.end {
        case .status(let status): status
        case .failed: nil
        }
    }

    /// The first header of this name.
    public func header(_ name: String) -> String? { self.headers.first { $0.name == name }?.value }
}

extension DirectCall {
    /// Makes the call and returns when it is over.
    public static func run(_ request: Request, to endpoint: Endpoint, on loop: Loop) async -> DirectAnswer {
        var answer = DirectAnswer()
        for await event in self.start(request, to: endpoint, on: loop) {
            switch event {
            case .answered(let headers): answer.headers = headers
            case .message(let message): answer.messages.append(message)
            case .ended(let end): answer.end = end
            }
        }
        return answer
    }
}
