internal import Wire

/// What the proxy does with a stream, by its method.
enum StreamHandling: Sendable, Equatable {
    /// Answered from the prober's state, never forwarded: callers serialise behind it.
    case health
    /// Sent to every replica, once each, and remembered.
    case loadModel
    case free
    /// `grpc.health.v1`, about the proxy itself.
    case grpcHealth(GRPCHealthMethod)
    /// Its first message is read for the prompt, and goes where its prefix is.
    case affinity
    /// Goes to the least loaded replica. `mayRepeat`: harmless when a lost replica had begun with it.
    case relay(mayRepeat: Bool)

    init(_ method: BackendMethod?) {
        guard let method else {
            // A method that we do not know may change something: it is repeated only when provably not processed.
            self = .relay(mayRepeat: false)
            return
        }
        switch method {
        case .health: self = .health
        case .loadModel: self = .loadModel
        case .free: self = .free
        case .predict, .predictStream: self = .affinity
        case .embedding, .generateImage, .upscaleImage, .generateVideo, .generate3D, .audioTranscription,
            .audioTranscriptionStream, .tts, .ttsStream, .soundGeneration, .tokenizeString, .detokenize, .status,
            .detect, .soundDetection, .depth, .faceVerify, .faceAnalyze, .voiceVerify, .voiceAnalyze, .voiceEmbed,
            .storesGet, .storesFind, .rerank, .tokenClassify, .score, .getMetrics, .vad, .diarize, .audioEncode,
            .audioTransform, .modelMetadata, .listCheckpoints, .fineTuneProgress, .quantizationProgress:
            self = .relay(mayRepeat: true)
        case .audioTranscriptionLive, .storesSet, .storesDelete, .audioDecode, .audioTransformStream,
            .audioToAudioStream, .startFineTune, .stopFineTune, .exportModel, .startQuantization, .stopQuantization,
            .forward:
            self = .relay(mayRepeat: false)
        }
    }

    /// Whether a replica that was lost in the middle of it may be replaced by another one.
    var mayRepeat: Bool {
        switch self {
        case .affinity: true
        case .relay(let mayRepeat): mayRepeat
        case .health, .loadModel, .free, .grpcHealth: false
        }
    }
}
