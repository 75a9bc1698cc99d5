/// One unit in flight on a replica: taken with the pick, given back once, by `ReplicaTable.release`, where the stream
/// ends. Copies are the same lease.
public struct Lease: Sendable {
    public let replica: ReplicaID
    /// Different for every lease of a table; for logs.
    public let serial: UInt64
    /// The replica's place in its table.
    public let slot: Int
    let ticket: NoteTicket
    /// Where `expected_ttft` keeps what it knows of the stream; -1 for other policies and streams without a pick.
    let record: Int32
}

/// How a leased unit ended, as far as routing cares.
public enum LeaseOutcome: CaseIterable, Sendable {
    /// The replica worked on it. What was noted of its prompt stays believed. Also of a stream that its caller gave up
    /// after it had been sent.
    case served
    /// The replica never answered: refused, gone away, not connected. What was noted of its prompt is taken back.
    case failedBeforeResponse
}
