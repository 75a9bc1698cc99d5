/// How the health of replicas is probed. Configuration section `clusters[].probe`.
public struct ProbeSettings: Sendable, Equatable {
    /// What is asked.
    public enum ProbeProtocol: String, Sendable, CaseIterable {
        /// `backend.Backend/Health`, answered with exactly OK.
        case native
        /// `grpc.health.v1.Health/Check` of the whole server, answered with SERVING.
        case grpcHealth = "grpc_health"
    }
    public var probeProtocol = ProbeProtocol.native
    /// How long a replica that answered, a probe or a call, is believed to be alive without being asked. Any failure of
    /// its connections ends that at once.
    public var freshForMs = 30_000
    /// Time between two probes of a replica that answers.
    public var intervalMs = 15_000
    /// Each interval is made longer or shorter by up to this share at random, 0 to 1.
    public var jitterShare = 0.2
    /// How long a probe waits for its answer; a later one means busy, not dead.
    public var deadlineMs = 5_000
    /// Consecutive unreachable results that take a replica out. A refused connect takes it out at once.
    public var failuresToEject = 3
    /// Time between two probes of a replica that is out or suspect.
    public var retryMs = 500
    /// Consecutive successes that bring a replica back.
    public var successesToReturn = 1

    var freshNs: UInt64 { UInt64(max(0, self.freshForMs)) * 1_000_000 }

    public init() {}
}
