package import Wire

/// One call on a worker, for as long as the worker lives.
package struct CallID: Hashable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) {
        self.number = number
    }
}

/// What a caller wants from the worker.
package enum WorkerCall: Sendable, Equatable {
    case health
    case loadModel(ModelOptions)
    case predict(PredictOptions, streams: Bool)
    case embedding(PredictOptions)
    case tokenizeString(PredictOptions)
    case detokenize(DetokenizeRequest)
    case modelMetadata(ModelOptions)
    case getMetrics
    /// Calls that llama.cpp's worker does not implement either, and those that nobody has heard of.
    case unimplemented
    /// The request is not the protobuf message that the call takes.
    case malformed

    /// Reads the request of a stream with this `:path`.
    /// - Parameters:
    ///   - message: one gRPC message without its prefix.
    ///   - arena: not in use by another message.
    package init(path: RawSpan, message: RawSpan, in arena: MessageArena) {
        guard let method = BackendMethod(path: path) else {
            self = .unimplemented
            return
        }
        do throws(MessageProblem) {
            self = try WorkerCall(method, message, in: arena)
        } catch {
            self = .malformed
        }
    }

    private init(_ method: BackendMethod, _ message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        switch method {
        case .health: self = .health
        case .loadModel: self = .loadModel(try ModelOptions(decoding: message, in: arena))
        case .predict: self = .predict(try PredictOptions(decoding: message, in: arena), streams: false)
        case .predictStream: self = .predict(try PredictOptions(decoding: message, in: arena), streams: true)
        case .embedding: self = .embedding(try PredictOptions(decoding: message, in: arena))
        case .tokenizeString: self = .tokenizeString(try PredictOptions(decoding: message, in: arena))
        case .detokenize: self = .detokenize(try DetokenizeRequest(decoding: message, in: arena))
        case .modelMetadata: self = .modelMetadata(try ModelOptions(decoding: message, in: arena))
        case .getMetrics: self = .getMetrics
        case .free, .status, .generateImage, .upscaleImage, .generateVideo, .generate3D, .audioTranscription,
            .audioTranscriptionStream, .audioTranscriptionLive, .tts, .ttsStream, .soundGeneration, .detect,
            .soundDetection, .depth, .faceVerify, .faceAnalyze, .voiceVerify, .voiceAnalyze, .voiceEmbed, .storesSet,
            .storesDelete, .storesGet, .storesFind, .rerank, .tokenClassify, .score, .vad, .diarize, .audioEncode,
            .audioDecode, .audioTransform, .audioTransformStream, .audioToAudioStream, .startFineTune,
            .fineTuneProgress, .stopFineTune, .listCheckpoints, .exportModel, .startQuantization,
            .quantizationProgress, .stopQuantization, .forward:
            self = .unimplemented
        }
    }
}

/// What the worker does for a caller, in this order.
package enum WorkerAction: Sendable, Equatable {
    /// Send a message: its bytes without the gRPC prefix.
    case message(CallID, [UInt8])
    /// End the call. Nothing follows for it.
    case end(CallID, GRPCStatusCode, String)
    /// End the process at once, as a crash would.
    case die(String)
}
