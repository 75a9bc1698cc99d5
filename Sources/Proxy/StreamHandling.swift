internal import Upstream
internal import Wire

/// What the proxy does with a stream, by its method.
enum StreamHandling: Sendable, Equatable {
    /// Answered from the prober's state, never forwarded: callers serialise behind it.
    case health
    /// Answered for all replicas together.
    case status, metrics
    /// Sent to every replica, once each, and remembered.
    case loadModel
    case free
    /// `grpc.health.v1`, about the proxy itself.
    case grpcHealth(GRPCHealthMethod)
    /// Its first message is read for the prompt, and goes where its prefix is.
    case affinity
    /// Goes where the prompt is that it looks at, which no cache remembers.
    case followed
    /// Goes to the replica that has the job or the session that it names.
    case sticky(mayRepeat: Bool)
    /// Goes to the one replica that keeps the stores.
    case stores(writes: Bool)
    /// Sent to every replica, since the cluster is configured so.
    case storesEverywhere
    /// Goes to the least loaded replica, unless its answer is known.
    case memo
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
        case .status: self = .status
        case .getMetrics: self = .metrics
        case .loadModel: self = .loadModel
        case .free: self = .free
        case .predict, .predictStream, .score: self = .affinity
        case .tokenizeString: self = .followed
        case .fineTuneProgress, .quantizationProgress: self = .sticky(mayRepeat: true)
        case .startFineTune, .stopFineTune, .startQuantization, .stopQuantization, .audioDecode:
            self = .sticky(mayRepeat: false)
        case .storesGet, .storesFind: self = .stores(writes: false)
        case .storesSet, .storesDelete: self = .stores(writes: true)
        case .modelMetadata: self = .memo
        case .embedding, .generateImage, .upscaleImage, .generateVideo, .generate3D, .audioTranscription,
            .audioTranscriptionStream, .tts, .ttsStream, .soundGeneration, .detokenize, .detect, .soundDetection,
            .depth, .faceVerify, .faceAnalyze, .voiceVerify, .voiceAnalyze, .voiceEmbed, .rerank, .tokenClassify,
            .vad, .diarize, .audioEncode, .audioTransform, .listCheckpoints:
            self = .relay(mayRepeat: true)
        case .audioTranscriptionLive, .audioTransformStream, .audioToAudioStream, .exportModel, .forward:
            self = .relay(mayRepeat: false)
        }
    }

    /// Whether a replica that was lost in the middle of it may be replaced by another one.
    var mayRepeat: Bool {
        switch self {
        case .affinity, .followed, .memo: true
        case .sticky(let mayRepeat), .relay(let mayRepeat): mayRepeat
        case .stores(let writes): !writes
        case .health, .status, .metrics, .loadModel, .free, .storesEverywhere, .grpcHealth: false
        }
    }

    /// Whether the proxy answers it itself, when the caller has said everything.
    var isLocal: Bool {
        switch self {
        case .health, .status, .metrics, .loadModel, .free, .storesEverywhere, .grpcHealth: true
        case .affinity, .followed, .sticky, .stores, .memo, .relay: false
        }
    }

    /// Whether its first message is read before a replica is picked, whatever the clusters are.
    var readsMessage: Bool {
        switch self {
        case .affinity, .followed, .sticky, .memo: true
        case .health, .status, .metrics, .loadModel, .free, .stores, .storesEverywhere, .relay, .grpcHealth: false
        }
    }
}
