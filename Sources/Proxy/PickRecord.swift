public import Routing
public import Wire

/// One pick as operators see it later: plain values, and nothing of the prompt but its length.
public struct PickRecord: Sendable {
    /// Counts the picks of its loop, from 1; zero while the place is unused.
    public internal(set) var serial: UInt64 = 0
    /// When, on the clock of the loops.
    public var atNs: UInt64 = 0
    /// Position of the cluster in the directory.
    public var cluster = 0
    /// Process-wide slot of the picked replica, and who has it.
    public var slot = 0
    public var owner: UInt64 = 0
    public var replica = ReplicaID(number: 0)
    /// Nil for a method that is not the protocol's.
    public var method: BackendMethod?
    public var reason = PickReason.cold
    public var diverted = false
    /// Replicas that the stream was given to before this one.
    public var retries = 0
    public var matchedBlocks = 0
    /// Zero for a stream without a prompt.
    public var promptBlocks = 0
    public var matchedBytes = 0
    public var promptBytes = 0
    /// Time to the first response that the policy expected, in seconds; zero when it expected nothing.
    public var expectedSeconds = 0.0
    /// From the pick to the first whole message of the answer, in nanoseconds; zero while there is none.
    public internal(set) var observedNs: UInt64 = 0
    /// The answer comes once, at its end: its moment says nothing about the prompt.
    public var answersOnce = false
    public var candidates = CandidateLoads()

    public init() {}

    /// Writes over an older pick, in place: a record is large, and every call makes one.
    mutating func take(_ decision: PickDecision, _ call: PickedCall, serial: UInt64) {
        self.serial = serial
        self.atNs = call.atNs
        self.cluster = call.cluster
        self.slot = call.slot
        self.owner = call.owner
        self.replica = decision.replica
        self.method = call.method
        self.reason = decision.reason
        self.diverted = decision.diverted
        self.retries = call.retries
        self.matchedBlocks = decision.matchedBlocks
        self.promptBlocks = decision.promptBlocks
        self.matchedBytes = decision.matchedBytes
        self.promptBytes = decision.promptBytes
        self.expectedSeconds = decision.expectedSeconds
        self.observedNs = 0
        self.answersOnce = call.answersOnce
        self.candidates = decision.candidates
    }
}

/// The call that a pick was for.
public struct PickedCall: Sendable {
    /// When it was picked for, on the clock of the loops.
    var atNs: UInt64 = 0
    /// Position of the cluster in the directory.
    var cluster = 0
    /// Process-wide slot of the picked replica, and who has it.
    var slot: Int
    var owner: UInt64
    /// Nil for a method that is not the protocol's.
    var method: BackendMethod?
    /// Replicas that it was given to before this one.
    var retries = 0
    /// Its answer comes once, at its end.
    var answersOnce = false
}

/// What one replica was sent since it joined, and how soon it answered. Sums, of which a reader takes differences.
public struct ReplicaTraffic: Sendable, Equatable {
    /// The serial of the replica; zero while nobody was sent anything.
    public var owner: UInt64 = 0
    /// Picks, with or without a prompt, retries included.
    public var picks = 0
    /// Picks of streams with a prompt.
    public var prompts = 0
    /// Those of which it was believed to hold a part.
    public var hits = 0
    public var promptBytes = 0
    public var matchedBytes = 0
    /// First messages of streamed answers to prompts.
    public var firstResponses = 0
    /// Sum of their times since their picks, in nanoseconds.
    public var firstResponseNs = 0

    public init(owner: UInt64 = 0) { self.owner = owner }

    mutating func count(_ pick: PickDecision) {
        self.picks += 1
        guard pick.promptBytes > 0 else { return }
        self.prompts += 1
        self.hits += pick.matchedBytes > 0 ? 1 : 0
        self.promptBytes += pick.promptBytes
        self.matchedBytes += pick.matchedBytes
    }

    /// The sums of two loops for one replica.
    public static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.picks += right.picks
        sum.prompts += right.prompts
        sum.hits += right.hits
        sum.promptBytes += right.promptBytes
        sum.matchedBytes += right.matchedBytes
        sum.firstResponses += right.firstResponses
        sum.firstResponseNs += right.firstResponseNs
        return sum
    }
}
