import Connection
public import Routing
import Transport
public import Wire

/// One small call of our own to a replica: a probe, a load, a question. At most one message each way.
///
/// Routing sees it only when its starter takes a lease for it. Lives on one loop, and keeps itself alive through its session.
public final class UnaryCall: UpstreamStream {
    /// What came of it.
    public enum Answer: Sendable, Equatable {
        /// The status that the replica sent, its text, and the answer's message when there was one.
        case status(GRPCStatusCode, text: String, message: [UInt8])
        /// No answer in time, on a connection that is open.
        case deadlineExceeded(connected: Bool)
        case failed(UpstreamFailure)
    }

    private let path: String
    private let scheme: StaticString
    private let authority: String
    private let authorization: [UInt8]?
    private let message: [UInt8]
    private let timeoutMs: Int
    private var received: [UInt8] = []
    private var timer: LoopTimer?
    private var timedOut = false
    private var completion: ((Answer) -> Void)?

    /// Largest answer that is kept; the rest of a longer one is dropped, which makes its message incomplete.
    private static let maxAnswerBytes = 1024 * 1024

    /// - Parameter timeoutMs: zero waits as long as it takes.
    private init(path: String, pool: PooledClient, message: [UInt8], timeoutMs: Int) {
        self.path = path
        self.scheme = pool.scheme
        self.authority = pool.ownAuthority
        self.authorization = pool.ownAuthorization
        self.message = message
        self.timeoutMs = timeoutMs
        super.init(account: pool.account)
    }

    /// Calls `path` with `message`, an encoded protobuf without its gRPC prefix. `completion` is called once, on the loop.
    /// - Parameter lease: given back when the call ends.
    public static func start(
        _ path: String, _ message: [UInt8], on client: ReplicaClient, timeoutMs: Int, lease: Lease? = nil,
        completion: @escaping (Answer) -> Void
    ) {
        let pool = client.inner.pool
        let call = UnaryCall(path: path, pool: pool, message: message, timeoutMs: timeoutMs)
        call.completion = completion
        call.lease = lease
        call.open(on: client)
        call.send(GRPCFrame.framed(message))
        call.endBody()
        if timeoutMs > 0 {
            let bound = LoopBound(call, on: pool.loop)
            call.timer = pool.loop.schedule(after: UInt64(timeoutMs) * 1_000_000) { bound.value.timeIsUp() }
        }
    }

    private func timeIsUp() {
        guard self.completion != nil else { return }
        self.timedOut = true
        let connected = self.connection?.link.isOpen ?? false
        self.cancel()
        self.complete(.deadlineExceeded(connected: connected))
    }

    public override func makeRequest(_ list: HeaderList) -> Bool {
        list.append(":method", "POST")
        list.append(":scheme", self.scheme)
        list.append(":path", self.path)
        list.append(":authority", self.authority)
        list.append("content-type", "application/grpc")
        list.append("te", "trailers")
        if self.timeoutMs > 0 { list.append("grpc-timeout", "\(self.timeoutMs)m") }
        list.append("user-agent", "homing")
        if let authorization = self.authorization { list.append(unindexed: "authorization", authorization) }
        return false
    }

    public override func bodyArrived(_ bytes: RawSpan) {
        if self.received.count < Self.maxAnswerBytes { self.received.append(contentsOf: bytes.copied) }
        self.consume(bytes.byteCount)
    }

    public override func ended(_ outcome: UpstreamOutcome) {
        self.timer?.cancel()
        switch outcome {
        case .answered: self.complete(self.answer())
        case .cancelled: self.complete(.failed(.reset(.cancel)))
        case .failed(let failure): self.complete(.failed(failure))
        }
    }

    private func answer() -> Answer {
        let block = self.trailers.contains(.grpcStatus) ? self.trailers : self.headers
        guard let status = GRPCStatus(block) else { return .failed(.notGRPC) }
        return .status(status.code, text: status.text, message: GRPCFrame.firstMessage(of: self.received) ?? [])
    }

    private func complete(_ answer: Answer) {
        guard let completion = self.completion else { return }
        self.completion = nil
        completion(answer)
    }
}
