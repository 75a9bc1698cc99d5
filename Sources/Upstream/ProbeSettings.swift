/// How the health of replicas is probed. Configuration section `clusters[].probe`.
package struct ProbeSettings: Sendable, Equatable {
    /// Time between two probes of a replica that answers.
    package var intervalMs = 15_000
    /// Each interval is made longer or shorter by up to this share at random, 0 to 1.
    package var jitterShare = 0.2
    /// How long a probe waits for its answer; a later one means busy, not dead.
    package var deadlineMs = 5_000
    /// Consecutive unreachable results that take a replica out. A refused connect takes it out at once.
    package var failuresToEject = 3
    /// Time between two probes of a replica that is out or suspect.
    package var retryMs = 500
    /// Consecutive successes that bring a replica back.
    package var successesToReturn = 1

    package init() {}
}
