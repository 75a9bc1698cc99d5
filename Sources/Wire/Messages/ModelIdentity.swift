internal import CBackend
internal import CProtobufC

/// Which model a request names, for the calls whose requests can name one.
public enum ModelIdentity {
    /// Decodes `message`, the request of `method` without its gRPC prefix, and lends the model it names to `body`; the
    /// span is empty when the request names none. Nil, with `body` not called, when requests of this method cannot.
    /// - Parameter arena: not in use by another message. Its limit bounds the memory; what Homing does not look at is
    ///   copied there once and thrown away.
    public static func read<R>(
        _ message: RawSpan, of method: BackendMethod, in arena: MessageArena, _ body: (RawSpan) -> R
    ) throws(MessageProblem) -> R? {
        switch method.identityField {
        case nil:
            nil
        case .number2:
            try unsafe arena.decode(message, with: homing__identity__field2__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number3:
            try unsafe arena.decode(message, with: homing__identity__field3__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number4:
            try unsafe arena.decode(message, with: homing__identity__field4__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number5:
            try unsafe arena.decode(message, with: homing__identity__field5__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number6:
            try unsafe arena.decode(message, with: homing__identity__field6__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number8:
            try unsafe arena.decode(message, with: homing__identity__field8__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number10:
            try unsafe arena.decode(message, with: homing__identity__field10__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number11:
            try unsafe arena.decode(message, with: homing__identity__field11__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number13:
            try unsafe arena.decode(message, with: homing__identity__field13__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number15:
            try unsafe arena.decode(message, with: homing__identity__field15__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number18:
            try unsafe arena.decode(message, with: homing__identity__field18__unpack) {
                body(unsafe $0.pointee.model_identity.buffer.bytes)
            }
        case .number54:
            try PromptHint.readPredict(message, in: arena) { $0.withModelIdentity(body) }
        }
    }

    /// The number under which a request carries its ModelIdentity.
    public enum Field: UInt8, Sendable, CaseIterable {
        case number2 = 2
        case number3 = 3
        case number4 = 4
        case number5 = 5
        case number6 = 6
        case number8 = 8
        case number10 = 10
        case number11 = 11
        case number13 = 13
        case number15 = 15
        case number18 = 18
        case number54 = 54
    }
}
