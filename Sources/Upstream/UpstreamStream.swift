package import Routing
public import Wire

/// One call to a replica: a stream on one of its connections, with the lease that counts it.
///
/// The client stack opens it and is told when it ends; a subclass says what its events mean. It may be opened again on
/// another replica after it ended.
/// Lives on one loop; alive while it is open because its session and its owner keep it.
open class UpstreamStream: HTTP2Stream {
    package private(set) final var client: ReplicaClient?
    /// The unit that counts this stream as in flight; the tracking client takes it back exactly once.
    package final var lease: Lease?
    /// What the answer said about the work so far; goes back with the lease.
    package final var observation = StreamObservation.none
    package private(set) final var connection: UpstreamConnection?
    /// Whether the replica's answer has ended.
    private var answerIsComplete = false
    private var isCancelled = false

    // MARK: For subclasses

    /// Fills in the request's header list. Returns whether the headers are the whole request.
    open func makeRequest(_ list: HeaderList) -> Bool { preconditionFailure("a call has a request") }
    /// The replica's header list has arrived; `ended` means that it is the whole answer.
    open func answerStarted(ended: Bool) {}
    /// The answer has ended, with trailers or (against gRPC) without.
    open func answerEnded(withTrailers: Bool) {}
    /// The call is over and its lease is back. Comes once for each `open`.
    open func ended(_ outcome: UpstreamOutcome) {}

    // MARK: Life

    /// Sends the call through the client stack. `ended` follows in any case, never before this returns.
    package final func open(on client: ReplicaClient) {
        precondition(self.client == nil, "a call is opened once at a time")
        self.client = client
        self.answerIsComplete = false
        self.isCancelled = false
        client.open(self)
    }

    /// Ends the call with RST_STREAM(CANCEL), which frees the worker's slot.
    package final func cancel() {
        guard !self.isCancelled else { return }
        self.isCancelled = true
        self.reset(.cancel)
    }

    /// Called by the pool when the request has gone to a connection, or there is none to be had.
    final func opened(on connection: UpstreamConnection) { self.connection = connection }

    final func over(_ outcome: UpstreamOutcome) {
        guard let client = self.client else { return }
        client.ended(self, outcome)
        self.client = nil
        self.connection = nil
        self.ended(outcome)
    }

    // MARK: From the session

    public final override func headersArrived(ended: Bool) {
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
