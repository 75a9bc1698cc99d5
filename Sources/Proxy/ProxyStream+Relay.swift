import Connection
import Routing
import Telemetry
import Transport
import Upstream
import Wire

/// Moves bytes between the two legs, and says the proxy's own things to the caller.
extension ProxyStream {
    // MARK: Request, downstream to upstream

    /// Fills in the header list that goes to the replica. Returns whether it is the whole request.
    func makeUpstreamRequest(_ list: HeaderList) -> Bool {
        let way = self.runtime.ways[self.cluster ?? 0]
        let isEncrypted = self.connection?.access.isEncrypted ?? false
        if let scheme = way.scheme(whenCallerIsEncrypted: isEncrypted) { list.append(":scheme", scheme) }
        list.append(self.headers, except: way.dropped(whenCallerIsEncrypted: isEncrypted), isolated: true)
        if way.addsToken, let token = self.runtime.directory.clusters[self.cluster ?? 0].tokens.current.first {
            list.append(unindexed: "authorization", token.revealHeader())
        }
        self.addRequestID(to: list)
        if self.hasDeadline, let remaining = self.remainingNs(at: self.loop.moment) {
            list.append(unindexed: "grpc-timeout", GRPCTimeout.text(nanoseconds: remaining))
        }
        return self.requestIsHeadersOnly
    }

    func relayRequest(_ bytes: RawSpan) {
        guard self.leg.client != nil else { return self.consume(bytes.byteCount) }
        self.leg.send(bytes)
        let total = self.runtime.settings.maxTotalHeldBytes / self.runtime.loopCount
        if self.leg.canSendBodyAgain,
            self.leg.heldBytes > self.runtime.settings.maxHeldBytes || self.upstream.account.bytes > total
        {
            // Too much to keep for a retry; from here the stream stays with its replica.
            self.leg.dropBodyKeptForRetry()
        }
    }

    /// The replica's side took `count` bytes of the request: the caller may send as many more.
    func requestBodyFramed(_ count: Int) {
        self.progressed = true
        let credited = min(count, self.creditedBytes)
        self.creditedBytes -= credited
        self.consume(count - credited)
    }

    // MARK: Answer, upstream to downstream

    func answerStarted(ended: Bool) {
        // A leg that was cancelled may go on until its RST_STREAM has been sent; nobody listens any more.
        guard self.isAttached, self.phase == .routed, self.retryWhenEnded == nil else { return }
        let status = ended ? GRPCStatus(self.leg.headers) : nil
        if let status, self.triesElsewhere(after: status) { return }
        self.beginAnswer(ended: ended, status: status)
    }

    /// The replica's answer is the headers that arrived, and no other replica could be tried.
    func relayKeptAnswer() {
        self.beginAnswer(ended: true, status: GRPCStatus(self.leg.headers))
    }

    private func beginAnswer(ended: Bool, status: GRPCStatus?) {
        self.phase = .answering
        self.leg.dropBodyKeptForRetry()
        self.firstResponseNs = self.loop.moment
        self.tellHealth(of: status)
        if let cluster = self.cluster {
            let elapsed = Int(self.firstResponseNs - self.startNs)
            self.runtime.homes[cluster].with { $0.responded(after: elapsed) }
        }
        if ended { self.status = status?.code ?? .unknown }
        self.relayHeaders(ended: ended)
    }

    private func relayHeaders(ended: Bool) {
        self.respond(ended: ended) { list in
            list.append(self.leg.headers)
            if self.wantsExplanation { self.explain(in: list) }
        }
    }

    /// Which replica serves the stream and why, as response metadata.
    private func explain(in list: HeaderList) {
        guard let replica = self.replica, let decision = self.decision else { return }
        list.append("x-homing-replica", replica.name)
        list.append("x-homing-reason", decision.reason.name)
        if decision.promptBlocks > 0 {
            list.append("x-homing-matched-bytes", decision.matchedBytes)
            list.append("x-homing-prompt-bytes", decision.promptBytes)
        }
        if decision.expectedSeconds > 0 {
            list.append("x-homing-expected-ms", Int((decision.expectedSeconds * 1_000).rounded()))
        }
        if self.queueWaitNs > 0 { list.append("x-homing-wait-ms", Int(self.queueWaitNs / 1_000_000)) }
        if !self.tried.isEmpty { list.append("x-homing-retries", self.tried.count) }
    }

    func answerBodyArrived(_ bytes: RawSpan) {
        guard self.isAttached, self.phase == .answering else { return self.leg.consume(bytes.byteCount) }
        self.responseBytes += bytes.byteCount
        self.progressed = true
        let isFirst = self.responseCount.messages == 0
        let isWhole = isFirst && self.responseCount.isBetweenMessages
        self.responseCount.count(bytes)
        if isFirst, self.responseCount.messages > 0 {
            let now = self.loop.moment
            self.noteFirstMessage(at: now)
            self.firstMessageArrived(isWhole ? bytes : nil, at: now)
        }
        if self.capture != nil { self.capture?.append(bytes) }
        self.send(bytes)
    }

    /// Tells routing that the prompt is done, and what the reply says about it if it came in one piece.
    private func firstMessageArrived(_ bytes: RawSpan?, at now: UInt64) {
        guard case .affinity = self.handling, let cluster = self.cluster, let lease = self.leg.lease else { return }
        // Of an answer that comes once the end tells as much.
        if !self.answersOnce { self.runtime.homes[cluster].with { $0.firstResponse(lease, at: now) } }
        guard let bytes, let prefix = try? GRPCFramePrefix(bytes), !prefix.isCompressed,
            bytes.byteCount >= GRPCFramePrefix.byteCount + Int(prefix.length)
        else { return }
        let message = bytes.extracting(
            GRPCFramePrefix.byteCount..<GRPCFramePrefix.byteCount + Int(prefix.length))
        guard let work = try? Reply.work(in: message, self.arena) else { return }
        self.leg.observation = StreamObservation(
            promptTokens: max(0, work.promptTokens), outputTokens: max(0, work.outputTokens),
            promptMs: work.promptMs.isFinite ? max(0, work.promptMs) : 0)
    }

    /// The caller's side took `count` bytes of the answer: the replica may send as many more.
    func responseBodyFramed(_ count: Int) {
        self.progressed = true
        self.leg.consume(count)
    }

    func answerEnded(withTrailers: Bool) {
        guard self.isAttached, self.phase == .answering else { return }
        if withTrailers {
            self.status = GRPCStatus(self.leg.trailers)?.code ?? .unknown
            self.leg.answerIsError = self.status?.maySpeakAgainstReplica ?? false
            if self.capture != nil { self.useCapture() }
            self.endBody(trailers: self.leg.trailers)
        } else {
            // Against gRPC, but what the replica said is what the caller hears.
            self.status = self.status ?? .unknown
            self.endBody()
        }
    }

    // MARK: The proxy's own words

    /// Answers the caller in place of a replica, before anything of an answer was relayed.
    func reply(_ reply: LocalReply) {
        self.stopWaiting()
        self.phase = .replied
        self.localReply = reply.cause
        self.status = reply.status.code
        self.metrics.replied(reply.cause)
        guard self.isAttached else { return }
        let isGRPC = reply.httpStatus == 200
        self.respond(ended: isGRPC) { list in
            list.append(":status", reply.httpStatus)
            list.append("content-type", isGRPC ? "application/grpc" : "text/plain")
            guard isGRPC else { return }
            list.append("grpc-status", reply.status.code.text)
            list.append("grpc-message", String(decoding: GRPCMessageText.encoded(reply.status.text), as: UTF8.self))
            if let pushback = reply.retryAfterMs { list.append("grpc-retry-pushback-ms", pushback) }
        }
        if !isGRPC {
            self.send(Array((reply.status.text + "\n").utf8))
            self.endBody()
        }
        self.forgetHeldRequest()
    }

    /// Answers the caller with one message of our own and OK.
    func reply(message: [UInt8]) {
        self.beginMessages()
        guard self.isAttached else { return }
        self.send(GRPCFrame.framed(message))
        self.endMessages()
    }

    /// An answer of our own begins, of messages that are sent one by one.
    func beginMessages() {
        self.phase = .replied
        self.status = .ok
        guard self.isAttached else { return }
        self.respond(ended: false) { list in
            list.append(":status", 200)
            list.append("content-type", "application/grpc")
        }
        self.forgetHeldRequest()
    }

    /// It ends.
    func endMessages() { self.endBody(trailers: [("grpc-status", "0")]) }

    /// An answer that had begun cannot go on: what has been relayed is followed by trailers that say so.
    func endBroken(_ reply: LocalReply) {
        self.phase = .replied
        self.localReply = reply.cause
        self.status = reply.status.code
        self.metrics.replied(reply.cause)
        self.endBody(trailers: [
            ("grpc-status", reply.status.code.text),
            ("grpc-message", String(decoding: GRPCMessageText.encoded(reply.status.text), as: UTF8.self)),
        ])
    }

    func forgetHeldRequest() {
        self.stopHolding()
        self.dropUnsentRequest()
    }

    /// Request bytes that no replica will take any more: the caller gets their window back, so that it can finish.
    func dropUnsentRequest() {
        guard !self.leg.isAttached, self.leg.client == nil else { return }
        self.consume(max(0, self.leg.unframedBytes - self.creditedBytes))
        self.creditedBytes = 0
        self.leg.dropBody()
    }
}
