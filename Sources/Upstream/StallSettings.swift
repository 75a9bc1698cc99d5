/// When a replica that says nothing is taken for one that hangs. Configuration section `clusters[].stall`.
public struct StallSettings: Sendable, Equatable {
    /// How long a connection with streams that wait for their answer may be silent: after half of it one PING is sent, and
    /// without an answer to that by the other half the streams are moved. A busy worker answers a PING, a hanging one does
    /// not. Zero: never.
    public var stallAfterMs = 500
    /// How long a connection may stay silent then before it is given up, with what was being answered on it. Zero: never.
    public var giveUpAfterMs = 30_000
    /// A stream is also moved from a replica that answers PINGs and nothing else, once it has waited this many times as
    /// long as its first response was expected to take, `patienceMs` at least, and nobody there was answered meanwhile.
    /// Zero: never. Only `expected_ttft` expects anything.
    public var expectedFactor = 10.0
    public var patienceMs = 15_000

    public init() {}
}
