/// Why the bytes of a message did not become a value.
public enum MessageProblem: Error, Sendable, Equatable, CaseIterable {
    /// The bytes are not protobuf, or a field has another type than the protocol gives it.
    case malformed
    /// Decoded, the message would need more memory than its arena may take.
    case tooLarge
}
