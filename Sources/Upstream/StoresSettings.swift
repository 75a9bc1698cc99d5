/// Where StoresSet and StoresDelete go. Configuration section `clusters[].stores`.
///
/// A store lives in one worker's memory, so that a read has to reach the worker that has what was written.
public struct StoresSettings: Sendable, Equatable {
    public enum Writes: String, Sendable, CaseIterable {
        /// To one replica, always the same; it answers the reads as well.
        case primary
        /// To every replica that can be reached, one write after the other; any of them answers reads.
        case all
    }
    public var writes = Writes.primary

    public init() {}
}
