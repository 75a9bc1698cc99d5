/// A choice, the lease that was taken with it, and what there is to say about it. The caller counts and logs it.
package struct PickDecision: Sendable {
    package let lease: Lease
    package let reason: PickReason
    /// Leading blocks of the prompt that the chosen replica is believed to hold, of `promptBlocks`.
    package let matchedBlocks: Int
    /// Zero when the stream had no hint.
    package let promptBlocks: Int
    /// The same in bytes of the prompt, of those that took part.
    package let matchedBytes: Int
    package let promptBytes: Int
    /// A replica that holds more of this prompt was left out because it was too busy.
    package let diverted: Bool
    /// Time to the first response that the policy expects there, in seconds; zero from a policy that expects nothing.
    package let expectedSeconds: Double
    /// Who else could have been picked; nobody when the call itself says where it belongs.
    package var candidates = CandidateLoads()

    package var replica: ReplicaID { self.lease.replica }
}
