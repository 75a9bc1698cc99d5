public import Routing
import Transport
public import Wire

/// One call to a replica: a stream on one of its connections, with the lease that counts it.
///
/// The client stack opens it and is told when it ends; a subclass says what its events mean. It may be opened again on
/// another replica after it ended.
/// Lives on one loop; alive while it is open because its session and its owner keep it.
open class UpstreamStream: HTTP2Stream {
    public private(set) final var client: ReplicaClient?
    /// The unit that counts this stream as in flight; the tracking client takes it back exactly once.
    public final var lease: Lease?
    /// What the answer said about the work so far; goes back with the lease.
    public final var observation = StreamObservation.none
    public private(set) final var connection: UpstreamConnection?
    /// Whether the replica's answer has ended.
    private var answerIsComplete = false
    public private(set) var isCancelled = false
    /// Opened, and not a byte of an answer yet.
    private(set) var waits = false
    /// When it was opened at its replica, and how long its first response is expected to take; zero: nothing is expected.
    private(set) var openedNs: UInt64 = 0
    public final var expectedNs: UInt64 = 0
    /// When the answer began; zero while it has not, and where that says nothing about the replica.
    public final var firstResponseNs: UInt64 = 0
    /// The answer's status may be the replica's fault.
    public final var answerIsError = false

    /// The replica of this call has said GOAWAY: it takes no other calls on this connection.
    public final var replicaIsLeaving: Bool { self.connection?.replicaIsLeaving ?? false }

    // MARK: For subclasses

    /// Fills in the request's header list. Returns whether the headers are the whole request.
    open func makeRequest(_ list: HeaderList) -> Bool { preconditionFailure("a call has a request") }
    /// The replica's header list has arrived; `ended` means that it is the whole answer.
    open func answerStarted(ended: Bool) {}
    /// The answer has ended, with trailers or (against gRPC) without.
    open func answerEnded(withTrailers: Bool) {}
    /// Its replica is silent: the call may be sent elsewhere. Comes again and again while that lasts.
    open func replicaIsSilent() {}
    /// The call is over and its lease is back. Comes once for each `open`.
    open func ended(_ outcome: UpstreamOutcome) {}

    // MARK: Life

    /// Sends the call through the client stack. `ended` follows in any case, never before this returns.
    public final func open(on client: ReplicaClient) {
        precondition(self.client == nil, "a call is opened once at a time")
        self.client = client
        self.answerIsComplete = false
        self.isCancelled = false
        self.firstResponseNs = 0
        self.answerIsError = false
        client.open(self)
    }

    /// Ends the call with RST_STREAM(CANCEL), which frees the worker's slot.
    public final func cancel() {
        guard !self.isCancelled else { return }
        self.isCancelled = true
        self.reset(.cancel)
    }

    /// Called by the pool when the request has gone to a connection, or there is none to be had.
    final func opened(on connection: UpstreamConnection) {
        self.connection = connection
        self.openedNs = Loop.now
        self.waits = true
        connection.streamOpened()
    }

    /// The answer has begun, or there will be none.
    private func waitIsOver() {
        guard self.waits else { return }
        self.waits = false
        self.connection?.waitingStreams -= 1
    }

    final func stallNoticed() {
        if self.waits, !self.isCancelled { self.replicaIsSilent() }
    }

    final func over(_ outcome: UpstreamOutcome) {
        guard let client = self.client else { return }
        self.waitIsOver()
        client.ended(self, outcome)
        self.client = nil
        self.connection = nil
        self.ended(outcome)
    }

    // MARK: From the session

    public final override func headersArrived(ended: Bool) {
        self.waitIsOver()
        if ended { self.answerIsComplete = true }
        self.answerStarted(ended: ended)
    }

    public final override func trailersArrived() {
        self.answerIsComplete = true
        self.answerEnded(withTrailers: true)
    }

    public final override func bodyEnded() {
        self.answerIsComplete = true
        self.answerEnded(withTrailers: false)
    }

    public final override func closed(_ closure: StreamClosure) {
        self.over(self.outcome(of: closure))
    }

    private func outcome(of closure: StreamClosure) -> UpstreamOutcome {
        // A replica that answers early and resets the request side with NO_ERROR, or anything else, has answered.
        if self.answerIsComplete { return .answered }
        if self.isCancelled { return .cancelled }
        switch closure {
        case .completed: return .failed(.reset(.noError))
        case .reset(.refusedStream): return .failed(.refused)
        case .reset(let code): return .failed(.reset(code))
        case .connectionLost: return .failed(self.connection?.failure ?? .connectionLost)
        }
    }
}
