import Routing
import Upstream
import Wire

/// What a stream tells of its replica's health, and what it does when the replica is silent.
extension ProxyStream {
    /// How long the first response is expected to take, in nanoseconds; zero where nobody knows.
    var expectedNs: UInt64 {
        guard !self.answersOnce, let seconds = self.decision?.expectedSeconds, seconds > 0 else { return 0 }
        return UInt64(min(seconds, 86_400) * 1e9)
    }

    /// The answer has begun. `status`: the whole answer is this.
    func tellHealth(of status: GRPCStatus?) {
        if let status { self.leg.answerIsError = status.code.maySpeakAgainstReplica }
        // An answer that comes once, at its end, takes as long as it is; that says nothing about the replica.
        if case .affinity = self.handling, !self.answersOnce, status == nil {
            self.leg.firstResponseNs = self.firstResponseNs
        }
    }

    /// The replica says nothing, and this stream has waited for it: it goes elsewhere when that does no harm and another
    /// one is well. Comes again while it lasts.
    func replicaIsSilent() {
        guard self.isAttached, self.phase == .routed, self.retryWhenEnded == nil, self.mayMove,
            self.leg.canSendBodyAgain, let position = self.cluster, let replica = self.replica
        else { return }
        let cluster = self.runtime.directory.clusters[position]
        guard self.tried.count < self.runtime.sections[position].connections.maxRetries,
            cluster.hasCandidate(besides: self.tried + [replica.id])
        else { return }
        self.retryWhenEnded = .stalled
        self.leg.cancel()
    }

    /// The stream was ended because nothing moved on it, and the caller had said everything.
    func countIdleAgainstReplica() {
        guard self.leg.isAttached, let position = self.cluster, let replica = self.replica else { return }
        self.runtime.directory.clusters[position].countIdleStream(against: replica)
    }

    /// Whether the call may be made a second time while the first may still be worked on: it changes nothing, and its
    /// answer is the same wherever it comes from.
    private var mayMove: Bool {
        switch self.method {
        case .predict, .predictStream, .score, .embedding, .tokenizeString: true
        default: false
        }
    }

    /// No other replica could be picked for a stream that had left its own.
    func couldNotRetry(_ cause: RetryCause) {
        switch cause {
        case .notLoaded: if !self.awaitsModel() { self.relayKeptAnswer() }
        case .otherModel, .unknownJob, .leaving: self.relayKeptAnswer()
        // Nothing was kept: the replica had said nothing.
        case .connectFailed, .connectionLost, .refused, .stalled: self.reply(LocalReply(.replicaLost))
        }
    }
}

extension GRPCStatusCode {
    /// Whether a replica that answers with it may be at fault. What it means for one replica, its siblings tell.
    var maySpeakAgainstReplica: Bool {
        switch self {
        case .internal, .unknown, .unavailable, .dataLoss: true
        case .ok, .cancelled, .invalidArgument, .deadlineExceeded, .notFound, .alreadyExists, .permissionDenied,
            .resourceExhausted, .failedPrecondition, .aborted, .outOfRange, .unimplemented, .unauthenticated:
            false
        }
    }
}
