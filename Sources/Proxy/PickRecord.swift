package import Routing
package import Wire

/// One pick as operators see it later: plain values, and nothing of the prompt but its length.
package struct PickRecord: Sendable {
    /// Counts the picks of its loop, from 1; zero while the place is unused.
    package internal(set) var serial: UInt64 = 0
    /// When, on the clock of the loops.
    package var atNs: UInt64 = 0
    /// Position of the cluster in the directory.
    package var cluster = 0
    /// Process-wide slot of the picked replica, and who has it.
    package var slot = 0
    package var owner: UInt64 = 0
    package var replica = ReplicaID(number: 0)
    /// Nil for a method that is not the protocol's.
    package var method: BackendMethod?
    package var reason = PickReason.cold
    package var diverted = false
    /// Replicas that the stream was given to before this one.
    package var retries = 0
    package var matchedBlocks = 0
    /// Zero for a stream without a prompt.
    package var promptBlocks = 0
    package var matchedBytes = 0
    package var promptBytes = 0
    /// Time to the first response that the policy expected, in seconds; zero when it expected nothing.
    package var expectedSeconds = 0.0
    /// From the pick to the first whole message of the answer, in nanoseconds; zero while there is none.
    package internal(set) var observedNs: UInt64 = 0
    /// The answer comes once, at its end: its moment says nothing about the prompt.
    package var answersOnce = false
    package var candidates = CandidateLoads()

    package init() {}
}

/// What one replica was sent since it joined, and how soon it answered. Sums, of which a reader takes differences.
package struct ReplicaTraffic: Sendable, Equatable {
    /// The serial of the replica; zero while nobody was sent anything.
    package var owner: UInt64 = 0
    /// Picks, with or without a prompt, retries included.
    package var picks = 0
    /// Picks of streams with a prompt.
    package var prompts = 0
    /// Those of which it was believed to hold a part.
    package var hits = 0
    package var promptBytes = 0
    package var matchedBytes = 0
    /// First messages of streamed answers to prompts.
    package var firstResponses = 0
    /// Sum of their times since their picks, in nanoseconds.
    package var firstResponseNs = 0

    package init(owner: UInt64 = 0) { self.owner = owner }

    /// The sums of two loops for one replica.
    package static func + (left: Self, right: Self) -> Self {
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
