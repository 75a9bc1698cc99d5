import Connection
import Transport
import Upstream
import Wire

/// What a stream does when its replica turns out to be without its model, or with another one.
extension ProxyStream {
    /// A replica without its model, or with another one, is no answer while another replica may have it, and one that does
    /// not know a job is none while another one may.
    func triesElsewhere(after status: GRPCStatus) -> Bool {
        guard let position = self.cluster, let replica = self.replica, self.leg.canSendBodyAgain else { return false }
        let cluster = self.runtime.directory.clusters[position]
        guard self.tried.count < self.runtime.sections[position].connections.maxRetries else { return false }
        switch status.code {
        case .failedPrecondition where status.text.lowercased().contains("not loaded"):
            guard cluster.foundNotLoaded(replica) else { return false }
            self.retryWhenEnded = .notLoaded
        case .notFound where status.text.lowercased().contains("model identity mismatch"):
            self.retryWhenEnded = .otherModel
        // A worker that shuts down gives up the calls that it has: one that is lost, in its own words.
        case .unavailable where self.leg.replicaIsLeaving && self.handling.mayRepeat:
            self.retryWhenEnded = .leaving
        case .notFound where self.searchesForJob:
            self.retryWhenEnded = .unknownJob
        default: return false
        }
        // A caller that still speaks would keep this leg open, and wait for ever.
        if !self.requestHasEnded { self.leg.cancel() }
        return true
    }

    /// The leg of a stream that is to be sent elsewhere has ended. Whether it may be: a mismatch is the caller's own when
    /// the cluster is not there for the model that it names.
    func isWorthRetrying(_ cause: RetryCause) -> Bool {
        guard cause == .otherModel else { return true }
        guard let position = self.cluster, let replica = self.replica, let model = self.namedModel() else {
            return false
        }
        let cluster = self.runtime.directory.clusters[position]
        guard cluster.isFor(model) else { return false }
        cluster.foundAnother(replica, wanted: model)
        return true
    }

    /// The model that the kept request names.
    private func namedModel() -> [UInt8]? {
        guard let method = self.method else { return nil }
        self.creditedBytes += self.leg.rewindBody()
        guard let length = self.heldMessageLength, !self.heldMessageIsCompressed else { return nil }
        return self.withHeldMessage(length) { message in
            switch method {
            case .predict, .predictStream:
                try? PromptHint.readPredict(message, in: self.arena) { (hint: borrowing PromptHint) in
                    hint.withModelIdentity { $0.copied }
                }
            default:
                (try? ModelIdentity.read(message, of: method, in: self.arena) { $0.copied }) ?? nil
            }
        }
    }

    /// The only replica is without its model: waits until that is back, once, and then asks it again. False when it
    /// cannot be waited for.
    func awaitsModel() -> Bool {
        guard !self.hasAwaitedModel, let position = self.cluster, let replica = self.replica else { return false }
        self.hasAwaitedModel = true
        self.isAwaitingModel = true
        let models = self.runtime.models[position]
        self.runLater({ await models.bringBack(replica) }) { stream, isBack in
            guard stream.isAwaitingModel else { return }
            stream.isAwaitingModel = false
            guard stream.phase == .routed else { return }
            if !isBack || !stream.pickAgain(.notLoaded, sameReplica: true) { stream.relayKeptAnswer() }
        }
        return true
    }

    /// Runs `work` off the loop, and then `body` on it, unless the caller went away or the object stands for another
    /// stream. The work is cancelled when the caller goes away.
    ///
    /// The task does not keep the stream: it might be the last one that did, and let go of it off its loop.
    func runLater<Result: Sendable>(
        _ work: @escaping @Sendable () async -> Result, _ body: @escaping @Sendable (ProxyStream, Result) -> Void
    ) {
        let stream = LoopBound(Weak(self), on: self.loop)
        let id = self.id
        let began = self.startNs
        self.lateWork = Task {
            let result = await work()
            stream.loop.execute {
                guard let stream = stream.value.object, stream.isAttached, stream.id == id, stream.startNs == began
                else { return }
                stream.lateWork = nil
                body(stream, result)
            }
        }
    }
}
