/// A choice, the lease that was taken with it, and what there is to say about it. The caller counts and logs it.
public struct PickDecision: Sendable {
    public let lease: Lease
    public let reason: PickReason
    /// Leading blocks of the prompt that the chosen replica is believed to hold, of `promptBlocks`.
    public let matchedBlocks: Int
    /// Zero when the stream had no hint.
    public let promptBlocks: Int
    /// The same in bytes of the prompt, of those that took part.
    public let matchedBytes: Int
    public let promptBytes: Int
    /// A replica that holds more of this prompt was left out because it was too busy.
    public let diverted: Bool
    /// Time to the first response that the policy expects there, in seconds; zero from a policy that expects nothing.
    public let expectedSeconds: Double
    /// Who else could have been picked; nobody when the call itself says where it belongs.
    public var candidates = CandidateLoads()

    public var replica: ReplicaID { self.lease.replica }
}
