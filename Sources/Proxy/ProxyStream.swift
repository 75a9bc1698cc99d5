import Connection
import Routing
import Telemetry
import Transport
import Upstream
import Wire

/// One caller's stream, from its HEADERS to its access-log line, and the replica that serves it.
///
/// ```
///            ┌───────────────────── LocalReply ──────────────────────┐
/// begun ──► holding ──pick──► routed ──────answer starts──────► answering ──► ended
///     (first message)│ ▲──────── │ ◄──failed, pick again──┘
///                    └──► waiting┘  no replica may take it yet
/// ```
/// Both legs relay: a window is given back to one side as the other accepts the bytes, so memory stays bounded.
/// Lives on one loop; reused through `ProxyLoop`. `ProxyStream+Routing` decides where it goes, `+Relay` moves bytes.
final class ProxyStream: HTTP2Stream {
    enum Phase { case begun, holding, waiting, routed, answering, replied, ended }

    let proxyLoop: ProxyLoop
    // What it uses of its loop, held here: what is reached through another object is counted at each use.
    let loop: Loop
    let upstream: UpstreamLoop
    let arena: MessageArena
    let decisions: DecisionLog
    private let accessLog: AccessLogWriter
    /// The loop's when the stream began: new settings are for the streams after it.
    private(set) var runtime: ProxyRuntime
    let metrics: ProxyMetrics
    let leg: RelayLeg
    private(set) var connection: DownstreamConnection?
    /// Itself from `begin` to its end: the downstream leg may be over, and let go of it, before the upstream one is.
    private var keptAlive: ProxyStream?

    var phase = Phase.begun
    var handling = StreamHandling.relay(mayRepeat: false)
    var method: BackendMethod?
    private var methodPosition: Int?
    var requestIsHeadersOnly = false
    /// The caller has said everything it will say.
    var requestHasEnded = false

    /// Position in the directory of the cluster that the listener, a header or the authority says; nil when none does.
    var anchor: Int?
    /// Position of the cluster in the directory.
    var cluster: Int?
    /// What says where the call belongs, if its method does.
    var bond: Cluster.Bond?
    /// Nobody remembers which replica has the job that the call is about: one after the other is asked.
    var searchesForJob = false
    /// What is kept of the answer, and why; nil for nearly every stream.
    var capture: AnswerCapture?
    var replica: Replica?
    var decision: PickDecision?
    var tried: [ReplicaID] = []
    /// The last pick; nil before the first.
    var notedPick: NotedPick?
    /// The model that the call names, when that is logged.
    var model: String?
    /// What the proxy made in place of a caller's `x-request-id`.
    var madeRequestID: [UInt8]?
    var wantsExplanation = false
    /// Where it waits for a replica; nil when it does not.
    var waiting: Waiting?
    /// How long it waited for replicas so far.
    var queueWaitNs: UInt64 = 0
    /// The answer is not relayed: when the leg has ended, another replica is tried.
    var retryWhenEnded: RetryCause?
    /// The only replica gets its model back, which this waits for; once.
    var isAwaitingModel = false
    var hasAwaitedModel = false
    /// What runs off the loop for this stream.
    var lateWork: Task<Void, Never>?

    /// Counts the calls that the object has stood for.
    private(set) var serial: UInt64 = 0
    var startNs: UInt64 = 0
    /// When the caller stops waiting, by `grpc-timeout`; zero: never.
    private(set) var deadlineNs: UInt64 = 0
    var firstResponseNs: UInt64 = 0
    var requestCount = MessageCounter()
    var responseCount = MessageCounter()
    var requestBytes = 0
    var responseBytes = 0
    /// Held bytes whose window was given back when they arrived, so not again when they are framed.
    var creditedBytes = 0
    /// Bytes that wait for the first message to be whole.
    var waitingBytes = 0
    /// Those of them that the process counts.
    var countedBytes = 0
    /// Whether a byte has moved since the loop last looked, and when it first found that none had.
    var progressed = true
    var quietSinceNs: UInt64 = 0
    var localReply: LocalReply.Cause?
    /// What the caller was told, or is about to be.
    var status: GRPCStatusCode?
    private var resetCode: HTTP2ErrorCode?

    init(on proxyLoop: ProxyLoop) {
        self.proxyLoop = proxyLoop
        self.loop = proxyLoop.loop
        self.upstream = proxyLoop.upstream
        self.arena = proxyLoop.arena
        self.decisions = proxyLoop.decisions
        self.accessLog = proxyLoop.accessLog
        self.runtime = proxyLoop.runtime
        self.metrics = proxyLoop.runtime.metrics
        self.leg = RelayLeg(account: proxyLoop.upstream.account)
        super.init(account: proxyLoop.upstream.account)
        self.leg.belong(to: self)
    }

    /// A request has begun on `connection`; its headers are about to arrive.
    func begin(on connection: DownstreamConnection) {
        self.connection = connection
        self.keptAlive = self
        if self.runtime !== self.proxyLoop.runtime { self.runtime = self.proxyLoop.runtime }
        self.startNs = self.loop.moment
        self.serial += 1
        self.metrics.activeStreams.add()
    }

    // MARK: From the caller

    override func headersArrived(ended: Bool) {
        self.requestIsHeadersOnly = ended
        self.requestHasEnded = ended
        if let found = self.headers.withValue(.path, { BackendMethod.find($0) }) ?? nil {
            self.method = found.method
            self.methodPosition = found.position
        }
        guard self.hostAgrees else {
            // Malformed (RFC 9113 §8.3.1): nobody could say which of the two a worker would believe.
            return self.reset(.protocolError)
        }
        if self.headersAreTooLarge {
            self.runtime.metrics.defended(.headersTooLarge)
            let speaksGRPC = self.headers.withValue(.contentType, { $0.isGRPCContentType }) ?? false
            return self.reply(LocalReply(.headersTooLarge, httpStatus: speaksGRPC ? 200 : 431))
        }
        guard self.headers.withValue(.method, { $0.equals("POST") }) ?? false else {
            return self.reply(LocalReply(.methodNotAllowed))
        }
        guard self.headers.withValue(.contentType, { $0.isGRPCContentType }) ?? false else {
            return self.reply(LocalReply(.unsupportedMediaType))
        }
        if let refusal = self.connection?.refusal(of: self.headers) {
            return self.reply(LocalReply(refusal))
        }
        switch self.runtime.settings.explain {
        case .never: self.wantsExplanation = false
        case .onRequest: self.wantsExplanation = self.headers.contains(.homingExplain)
        case .always: self.wantsExplanation = true
        }
        self.handling = StreamHandling(self.method)
        if self.method == nil, let health = self.headers.withValue(.path, { GRPCHealthMethod(path: $0) }) ?? nil {
            self.handling = .grpcHealth(health)
        }
        guard self.takeDeadline() else { return self.reply(LocalReply(.malformedTimeout)) }
        guard self.takeAnchor() else { return self.reply(LocalReply(.unknownModel)) }
        self.start()
    }

    /// Whether a host header, if there is one beside `:authority`, says the same.
    private var hostAgrees: Bool {
        guard self.headers.contains(.host), let host = self.headers.withValue(.host, { $0.copied }) else { return true }
        return self.headers.withValue(.authority) { $0.copied == host } ?? true
    }

    override func bodyArrived(_ bytes: RawSpan) {
        self.requestBytes += bytes.byteCount
        self.progressed = true
        self.requestCount.count(bytes)
        if self.requestCount.isMalformed { return self.refuseRequest(LocalReply(.malformedFraming), bytes.byteCount) }
        switch self.phase {
        case .begun, .holding: self.hold(bytes)
        case .waiting: self.holdWhileWaiting(bytes)
        case .routed, .answering: self.relayRequest(bytes)
        case .replied, .ended: self.consume(bytes.byteCount)
        }
    }

    override func bodyEnded() { self.requestEnded() }
    // gRPC requests have no trailers; what they would say is dropped, their end is not.
    override func trailersArrived() { self.requestEnded() }

    private func requestEnded() {
        self.requestHasEnded = true
        switch self.phase {
        case .begun, .holding: self.heldRequestEnded()
        case .waiting where self.requestCount.isBetweenMessages: ()
        case .waiting: self.refuseRequest(LocalReply(.truncatedRequest), 0)
        case .routed where !self.requestCount.isBetweenMessages:
            // Some workers wait for ever for the rest of such a message.
            self.refuseRequest(LocalReply(.truncatedRequest), 0)
        case .routed, .answering: self.leg.endBody()
        case .replied, .ended: ()
        }
    }

    /// Bytes that are no gRPC end the call here; the replica never sees the rest.
    private func refuseRequest(_ reply: LocalReply, _ count: Int) {
        self.consume(count)
        switch self.phase {
        case .begun, .holding, .waiting: self.reply(reply)
        case .routed:
            self.leg.cancel()
            self.reply(reply)
        case .answering:
            self.leg.cancel()
            self.endBroken(reply)
        case .replied, .ended: ()
        }
    }

    // MARK: Deadline

    /// Reads `grpc-timeout`. False when there is one and it is none.
    private func takeDeadline() -> Bool {
        guard let timeout = self.headers.withValue(.grpcTimeout, { GRPCTimeout.nanoseconds($0) }) else { return true }
        guard let timeout else { return false }
        let (sum, overflows) = self.startNs.addingReportingOverflow(timeout)
        self.deadlineNs = overflows ? .max : max(1, sum)
        self.proxyLoop.watch(self, deadlineNs: self.deadlineNs)
        return true
    }

    /// What is left of the caller's deadline; nil without one.
    func remainingNs(at now: UInt64) -> UInt64? {
        guard self.deadlineNs > 0 else { return nil }
        return self.deadlineNs > now ? self.deadlineNs - now : 1
    }

    /// The caller's deadline has passed: it hears so, and the worker's slot is freed.
    func deadlinePassed() {
        guard self.isAttached else { return }
        if self.leg.isAttached { self.leg.cancel() }
        switch self.phase {
        case .begun, .holding, .waiting, .routed: self.reply(LocalReply(.deadlineExceeded))
        case .answering: self.endBroken(LocalReply(.deadlineExceeded))
        case .replied, .ended: ()
        }
    }

    override func bodyFramed(_ count: Int) { self.responseBodyFramed(count) }

    /// The whole answer has been sent and the caller still sends: it may stop (RFC 9113 §8.1).
    override func endSent() { self.reset(.noError) }

    // Patterns, here and where it says so, since `==` on an optional of another module's is a call through a table.
    private var isOK: Bool { if case .ok? = self.status { true } else { false } }

    var hasDeadline: Bool { self.deadlineNs > 0 }
    /// When the caller stops waiting; nil: never.
    var deadline: UInt64? { self.hasDeadline ? self.deadlineNs : nil }

    /// Nothing has moved for too long: a worker that went silent for ever is let go of.
    func endIdle() {
        if self.requestHasEnded { self.countIdleAgainstReplica() }
        if self.leg.isAttached { self.leg.cancel() }
        if self.phase == .answering {
            self.endBroken(LocalReply(.streamIdle))
        } else {
            self.reply(LocalReply(.streamIdle))
        }
    }

    override func closed(_ closure: StreamClosure) {
        switch closure {
        case .completed: ()
        case .reset(let code): self.resetCode = code
        case .connectionLost: self.resetCode = .cancel
        }
        self.stopWaiting()
        self.lateWork?.cancel()
        self.lateWork = nil
        // The caller is gone: the worker's slot should be free within milliseconds.
        if self.leg.isAttached { self.leg.cancel() }
        self.finishIfOver()
    }

    // MARK: End

    /// Runs once on every path, when neither leg is open any more: counters, one access-log line, back to the loop.
    func finishIfOver() {
        guard !self.isAttached, !self.leg.isAttached, self.leg.client == nil, self.connection != nil else { return }
        self.phase = .ended
        self.stopHolding()
        self.metrics.activeStreams.subtract()
        self.metrics.ended(cluster: self.cluster ?? 0, method: self.methodPosition, status: self.status)
        self.accessLog.write(always: !self.isOK, self.accessLogEntry())
        self.makeReusable()
    }

    private func accessLogEntry() -> AccessLogEntry {
        let now = Loop.now
        var entry = AccessLogEntry(
            startUnixMs: Loop.unixMs(of: self.startNs), peer: self.connection?.peer ?? "unknown",
            listener: self.connection?.listener ?? "unknown", method: self.headers.string(.path) ?? "",
            total: .nanoseconds(Int64(now - self.startNs)))
        entry.cluster = self.cluster.map { self.runtime.directory.clusters[$0].name }
        entry.model = self.model
        entry.requestID = self.requestID
        entry.traceParent = self.traceParent
        entry.replica = self.replica?.name
        if let decision = self.decision {
            entry.pickReason = decision.reason.name
            if decision.promptBlocks > 0 {
                entry.matchedBlocks = decision.matchedBlocks
                entry.matchedShare = Double(decision.matchedBytes) / Double(max(1, decision.promptBytes))
            }
        }
        entry.grpcStatus = self.status.map { Int($0.rawValue) }
        entry.grpcStatusName = self.status?.name
        entry.resetCode = self.resetCode?.rawValue
        entry.requestBytes = self.requestBytes
        entry.requestMessages = self.requestCount.messages
        entry.responseBytes = self.responseBytes
        entry.responseMessages = self.responseCount.messages
        if self.firstResponseNs > 0 { entry.firstResponse = .nanoseconds(Int64(self.firstResponseNs - self.startNs)) }
        entry.retries = self.tried.count
        if self.queueWaitNs > 0 { entry.queueWait = .nanoseconds(Int64(self.queueWaitNs)) }
        if let decision = self.decision, decision.expectedSeconds > 0 {
            entry.expectedFirstResponse = .seconds(decision.expectedSeconds)
        }
        entry.localReply = self.localReply?.rawValue
        return entry
    }

    private func makeReusable() {
        self.reuse()
        self.leg.reuse()
        self.connection = nil
        self.phase = .begun
        self.method = nil
        self.methodPosition = nil
        self.requestIsHeadersOnly = false
        self.requestHasEnded = false
        self.anchor = nil
        self.cluster = nil
        self.bond = nil
        self.capture = nil
        self.searchesForJob = false
        self.replica = nil
        self.decision = nil
        self.model = nil
        self.madeRequestID = nil
        self.notedPick = nil
        self.retryWhenEnded = nil
        self.queueWaitNs = 0
        self.isAwaitingModel = false
        self.hasAwaitedModel = false
        if !self.tried.isEmpty { self.tried.removeAll(keepingCapacity: true) }
        self.startNs = 0
        self.deadlineNs = 0
        self.firstResponseNs = 0
        self.requestCount = MessageCounter()
        self.responseCount = MessageCounter()
        self.requestBytes = 0
        self.responseBytes = 0
        self.creditedBytes = 0
        self.progressed = true
        self.quietSinceNs = 0
        self.localReply = nil
        self.status = nil
        self.resetCode = nil
        self.proxyLoop.recycle(self)
        self.keptAlive = nil
    }
}

extension RawSpan {
    /// `application/grpc`, alone or with a suffix: `+proto`, `;charset=…` (gRPC over HTTP/2, Requests).
    fileprivate var isGRPCContentType: Bool {
        guard self.starts(with: "application/grpc") else { return false }
        guard self.byteCount > 16 else { return true }
        let next = self.byte(at: 16)
        return next == UInt8(ascii: "+") || next == UInt8(ascii: ";") || next == UInt8(ascii: " ")
    }
}
