/// A stream that waits for a replica.
struct WaitingPrompt: Sendable {
    /// The caller's name for it.
    let id: UInt64
    /// A copy: the caller uses its own again.
    let chain: PrefixChain
    let terms: WaitTerms
    let answersOnce: Bool
    /// Where it has been.
    let excluded: [ReplicaID]
    let arrived: Instant
    /// By then it goes to any replica that may take it, also when waiting on would be better.
    let latest: Instant
    /// By then it is refused; nil: never, as no replica is ever full.
    let refuseAt: Instant?
    /// Position of its caller in the queue.
    var caller = 0

    /// By slot, what is held of it, as of `seen`.
    var held: ContiguousArray<HeldPrefix>
    /// The count of notes when it was looked at last.
    var seen: UInt64
    /// Seconds that its prompt takes on the replica that is best for it.
    var ownSeconds: Double
    /// When it is due among those of its caller, in seconds of the clock: the smaller, the sooner.
    var order = 0.0
    /// When its caller's turn comes, in seconds of work that every caller was given.
    var turn = 0.0
}

/// What a stream that may have to wait says about itself.
public struct WaitTerms: Sendable, Equatable {
    /// Streams with equal numbers are one caller's and share its turns.
    public var caller: UInt64
    /// When its caller gives up; nil: never.
    public var deadline: Instant?
    /// False: it holds too much to wait, and goes at once, past any limit.
    public var mayWait: Bool
    /// It had a replica already, which failed: it goes before all others.
    public var isRetry: Bool

    public init(caller: UInt64 = 0, deadline: Instant? = nil, mayWait: Bool = true, isRetry: Bool = false) {
        self.caller = caller
        self.deadline = deadline
        self.mayWait = mayWait
        self.isRetry = isRetry
    }
}
