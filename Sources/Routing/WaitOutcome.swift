/// What becomes of a prompt that arrives.
public enum PickOutcome: Sendable {
    case picked(PickDecision)
    /// It is held back: `ReplicaTable.nextDispatch` names it later. By `until` it goes to any replica that may take it.
    case hold(until: Instant)
    case refused(QueueRefusal)
}

/// The same where the decision is written elsewhere: it is large, and made for every call.
public enum Arrival: Sendable {
    case picked
    case hold(until: Instant)
    case refused(QueueRefusal)
}

/// What becomes of a prompt that was held back.
public struct Dispatch: Sendable {
    /// The name that its caller gave it.
    public let id: UInt64
    /// nil when no replica may be chosen any more, or it is refused.
    public let decision: PickDecision?
    public let refusal: QueueRefusal?
    public let cause: DispatchCause
    /// Since it arrived.
    public let waitedNs: UInt64
}

/// Why a held stream goes now.
public enum DispatchCause: String, CaseIterable, Sendable {
    /// A replica has room, or is about to be free.
    case replicaFree = "replica_free"
    /// It waited for a better moment for as long as it may.
    case maxWait = "max_wait"
    /// Its first replica failed, and another one has room.
    case retry
    /// It will not be served.
    case refused
    /// There is no replica left.
    case noReplica = "no_replica"
}

/// A stream that the queue does not take, or not keep.
public struct QueueRefusal: Sendable, Equatable {
    public enum Cause: String, CaseIterable, Sendable {
        /// As many wait as may.
        case full = "queue_full"
        /// It waited for as long as it may.
        case waitedTooLong = "queue_timeout"
        /// Its turn would come too late for its deadline.
        case deadline = "deadline_unreachable"
    }

    public let cause: Cause
    /// When it may be worth to ask again, in milliseconds from now: when half of the queue should be gone.
    public let retryAfterMs: Int
}
