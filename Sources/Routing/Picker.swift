/// Chooses a replica. A picker is a value without memory: all it may learn is in the candidates, so the same code
/// decides in the proxy, in `homing replay` and in a test.
///
/// A new policy is a type in a file of its own, a case of `PolicyName`, and a line in `ReplicaTable.choose`.
public protocol Picker: Sendable {
    /// Chooses among `candidates`, which are in the order in which they joined; nil only when there are none. None is
    /// there twice. `promptBlocks` is the length of the prompt's chain, zero without a hint.
    func pick(among candidates: Span<Candidate>, promptBlocks: Int) -> Choice?
}

/// What a picker chose, and why.
public struct Choice: Equatable, Sendable {
    /// The chosen one's position among the candidates.
    public var position: Int
    public var reason: PickReason
    /// A replica that holds more of this prompt was left out because it was too busy.
    public var diverted: Bool

    public init(position: Int, reason: PickReason, diverted: Bool = false) {
        self.position = position
        self.reason = reason
        self.diverted = diverted
    }
}
