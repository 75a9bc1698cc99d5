import Connection
import Routing
import Telemetry
import Transport
import Upstream
import Wire

/// Streams that wait for a replica: what they say of themselves, and how waiting ends.
///
/// ```
/// pick ──► waiting ──the cluster's waiter, on this loop──► routed, replied
///             └──caller gone, deadline passed, request broken──► stopWaiting
/// ```
/// A lease that was taken for a stream which is gone when it arrives here is given back, once.
extension ProxyStream {
    /// Where a stream waits.
    struct Waiting {
        /// Position of the cluster in the directory.
        let cluster: Int
        /// The number that it waits under.
        let number: UInt64
        let sinceNs: UInt64
        /// Why it looks for another replica; nil for its first one.
        let retry: RetryCause?
    }

    /// Asks the cluster for a replica; when it picks one, `decision` says why. A call that belongs to one goes there at
    /// once, since it would be of no use elsewhere.
    /// - Parameters:
    ///   - position: of the cluster in the directory.
    ///   - chain: position of the cluster whose chain holds the prompt.
    ///   - now: the moment of asking.
    func ask(
        _ cluster: Cluster, _ position: Int, promptIn chain: Int, excluding tried: [ReplicaID], retry: RetryCause?,
        at now: UInt64
    ) -> Cluster.PickResult {
        self.proxyLoop.withChain(chain) { chain in
            if let bond = self.bond {
                guard let found = cluster.pick(bond, chain, excluding: tried, at: now) else { return .none }
                self.decision = found.1
                return .picked(found.0)
            }
            return cluster.pickOrWait(
                chain, excluding: tried, answersOnce: self.answersOnce, on: self.loop, at: now,
                decision: &self.decision,
                terms: { self.waitTerms(in: position, isRetry: retry != nil) },
                waiter: { self.waiter(in: position, number: $0) })
        }
    }

    private func waiter(in position: Int, number: UInt64) -> Cluster.Waiter {
        let loop = self.loop
        let bound = LoopBound(self, on: loop)
        return { outcome in loop.execute { bound.value.waitEnded(position, number, outcome) } }
    }

    /// It waits from now on. Bytes that it has stay held, and its caller's window stays as it is.
    func startWaiting(_ position: Int, _ number: UInt64, retry: RetryCause?) {
        self.phase = .waiting
        self.countHeldBytes()
        self.waiting = Waiting(cluster: position, number: number, sinceNs: Loop.now, retry: retry)
    }

    /// It does not want a replica any more. Nothing happens when it does not wait.
    func stopWaiting() {
        guard let waiting = self.waiting else { return }
        self.waiting = nil
        self.queueWaitNs += Loop.now - waiting.sinceNs
        self.runtime.directory.clusters[waiting.cluster].withdraw(waiting.number)
    }

    /// Request bytes while it waits. Their window is not given back, so they are few.
    func holdWhileWaiting(_ bytes: RawSpan) {
        self.leg.send(bytes)
        self.waitingBytes += bytes.byteCount
        self.countHeldBytes()
    }

    /// The cluster's answer has come to this loop. The object may stand for another stream by now.
    private func waitEnded(_ position: Int, _ number: UInt64, _ outcome: Cluster.WaitOutcome) {
        let cluster = self.runtime.directory.clusters[position]
        guard let waiting = self.waiting, waiting.number == number, waiting.cluster == position else {
            if case .picked(_, let decision) = outcome { cluster.giveBack(decision.lease) }
            return
        }
        self.waiting = nil
        self.queueWaitNs += Loop.now - waiting.sinceNs
        switch outcome {
        case .picked(let replica, let decision):
            if let retry = waiting.retry { cluster.metrics.retried(retry) }
            self.decision = decision
            self.go(to: replica, in: cluster, at: Loop.now)
        case .refused(let refusal): self.waitedInVain(waiting.retry, LocalReply(refusal))
        case .noReplica:
            // One that has been at a replica which failed hears so, as it would have without waiting.
            let lost = waiting.retry != nil && cluster.isUsable
            self.waitedInVain(waiting.retry, lost ? LocalReply(.replicaLost) : Self.reply(to: cluster.shortage()))
        }
    }

    private func waitedInVain(_ retry: RetryCause?, _ reply: LocalReply) {
        switch retry {
        case .notLoaded?, .otherModel?, .unknownJob?, .leaving?:
            // The answer of its first replica is still here, and says more.
            self.phase = .routed
            self.stopHolding()
            if let retry { self.couldNotRetry(retry) }
        case .connectFailed?, .connectionLost?, .refused?, .stalled?, nil: self.reply(reply)
        }
    }

    private func waitTerms(in position: Int, isRetry: Bool) -> WaitTerms {
        WaitTerms(
            caller: self.callerKey(self.runtime.sections[position].routing.admission.fairBy),
            deadline: self.deadline.map { Instant(nanoseconds: $0) }, mayWait: self.mayWait, isRetry: isRetry)
    }

    /// Whether what it holds may be held for longer, and its method is worth a slot.
    private var mayWait: Bool {
        if let method = self.method, method.isLight { return false }
        let settings = self.runtime.settings
        guard self.metrics.heldBytes.value <= settings.maxTotalHeldBytes,
            self.leg.unframedBytes <= settings.maxHeldBytes + GRPCFramePrefix.byteCount
        else {
            self.metrics.defended(.heldBytes)
            return false
        }
        return true
    }

    /// Whose turn it is when it is this stream's.
    private func callerKey(_ key: CallerKey) -> UInt64 {
        let value: UInt64? =
            switch key {
            case .token: self.headers.withValue(.authorization) { PrefixChain.salt(model: $0) }
            case .metadata(let name): self.headers.withValue(named: Array(name.utf8)) { PrefixChain.salt(model: $0) }
            case .connection: nil
            }
        return value ?? self.connection.map { UInt64(UInt(bitPattern: ObjectIdentifier($0).hashValue)) } ?? 0
    }
}

extension BackendMethod {
    /// Answered in passing, without a slot of the model: such a call waits for nobody.
    fileprivate var isLight: Bool {
        switch self {
        case .health, .loadModel, .free, .tokenizeString, .detokenize, .status, .getMetrics, .modelMetadata,
            .storesSet, .storesDelete, .storesGet, .storesFind, .listCheckpoints, .fineTuneProgress, .stopFineTune,
            .quantizationProgress, .stopQuantization:
            true
        case .predict, .predictStream, .embedding, .generateImage, .upscaleImage, .generateVideo, .generate3D,
            .audioTranscription, .audioTranscriptionStream, .audioTranscriptionLive, .tts, .ttsStream,
            .soundGeneration, .detect, .soundDetection, .depth, .faceVerify, .faceAnalyze, .voiceVerify,
            .voiceAnalyze, .voiceEmbed, .rerank, .tokenClassify, .score, .vad, .diarize, .audioEncode, .audioDecode,
            .audioTransform, .audioTransformStream, .audioToAudioStream, .startFineTune, .exportModel,
            .startQuantization, .forward:
            false
        }
    }
}
