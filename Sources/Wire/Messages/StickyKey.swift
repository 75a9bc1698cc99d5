internal import CBackend
internal import CProtobufC

/// Which earlier call a request goes on with: jobs and decoders live in the memory of one worker.
public enum StickyKey: Sendable {
    /// `job_id` of a fine-tuning job.
    case fineTuneJob
    /// `job_id` of a quantisation job.
    case quantizationJob
    /// `options["session_id"]` of AudioDecode: the decoder keeps its state between calls.
    case audioSession

    /// What kind of key requests of `method` carry; nil when they carry none.
    public init?(of method: BackendMethod) {
        switch method {
        case .startFineTune, .fineTuneProgress, .stopFineTune: self = .fineTuneJob
        case .startQuantization, .quantizationProgress, .stopQuantization: self = .quantizationJob
        case .audioDecode: self = .audioSession
        default: return nil
        }
    }

    /// Decodes `message`, the request of `method` without its gRPC prefix, and lends the id in it to `body`. Nil, with
    /// `body` not called, when there is none.
    /// - Parameter arena: not in use by another message. Its limit bounds the memory.
    public static func read<R>(
        _ message: RawSpan, of method: BackendMethod, in arena: MessageArena, _ body: (RawSpan) -> R
    ) throws(MessageProblem) -> R? {
        switch method {
        case .startFineTune:
            try unsafe arena.decode(message, with: homing__sticky__job51__unpack) {
                unsafe Self.lend($0.pointee.job_id, body)
            }
        case .startQuantization:
            try unsafe arena.decode(message, with: homing__sticky__job4__unpack) {
                unsafe Self.lend($0.pointee.job_id, body)
            }
        case .fineTuneProgress, .stopFineTune, .quantizationProgress, .stopQuantization:
            try self.readJob(message, in: arena, body)
        case .audioDecode:
            try unsafe arena.decode(message, with: homing__sticky__decode_options__unpack) {
                unsafe Self.lendSession($0.pointee, body)
            }
        default: nil
        }
    }

    /// The same for the job that the answer of StartFineTune or StartQuantization names.
    public static func readResult<R>(
        _ message: RawSpan, in arena: MessageArena, _ body: (RawSpan) -> R
    ) throws(MessageProblem) -> R? {
        try self.readJob(message, in: arena, body)
    }

    private static func readJob<R>(
        _ message: RawSpan, in arena: MessageArena, _ body: (RawSpan) -> R
    ) throws(MessageProblem) -> R? {
        try unsafe arena.decode(message, with: homing__sticky__job1__unpack) {
            unsafe Self.lend($0.pointee.job_id, body)
        }
    }

    private static func lendSession<R>(_ request: Homing__Sticky__DecodeOptions, _ body: (RawSpan) -> R) -> R? {
        let options = unsafe UnsafeBufferPointer(
            start: request.options, count: request.options == nil ? 0 : request.n_options)
        // The last one counts where a key is there twice, as in every protobuf map.
        for index in unsafe options.indices.reversed() {
            guard let option = unsafe options[index] else { continue }
            if unsafe option.pointee.key.buffer.elementsEqual("session_id".utf8) {
                return unsafe self.lend(option.pointee.value, body)
            }
        }
        return nil
    }

    private static func lend<R>(_ id: ProtobufCBinaryData, _ body: (RawSpan) -> R) -> R? {
        unsafe id.len > 0 ? body(unsafe id.buffer.bytes) : nil
    }
}
