internal import CBackend
internal import CProtobufC

/// Figures of one slot of a worker, the answer to GetMetrics.
public struct MetricsResponse: BackendMessage {
    /// From 0.
    public var slot: Int32 = 0
    /// The prompt in that slot, as JSON.
    public var promptJson: [UInt8] = []
    public var tokensPerSecond: Float = 0
    public var tokensGenerated: Int32 = 0
    public var promptTokensProcessed: Int32 = 0

    public init() {}

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__metrics_response__unpack) {
            unsafe MetricsResponse($0.pointee)
        }
    }

    private init(_ metrics: Backend__MetricsResponse) {
        unsafe self.slot = metrics.slot_id
        unsafe self.promptJson = metrics.prompt_json_for_slot.bytes
        unsafe self.tokensPerSecond = metrics.tokens_per_second
        unsafe self.tokensGenerated = metrics.tokens_generated
        unsafe self.promptTokensProcessed = metrics.prompt_tokens_processed
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var metrics = unsafe Backend__MetricsResponse()
            unsafe backend__metrics_response__init(&metrics)
            unsafe metrics.slot_id = self.slot
            unsafe metrics.prompt_json_for_slot = making.data(self.promptJson)
            unsafe metrics.tokens_per_second = self.tokensPerSecond
            unsafe metrics.tokens_generated = self.tokensGenerated
            unsafe metrics.prompt_tokens_processed = self.promptTokensProcessed
            return unsafe making.packed(
                &metrics, size: backend__metrics_response__get_packed_size, pack: backend__metrics_response__pack)
        }
    }
}
