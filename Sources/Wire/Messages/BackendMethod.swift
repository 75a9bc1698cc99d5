/// The calls of the worker protocol, `backend.Backend`. Others are relayed all the same, without being understood.
public enum BackendMethod: String, Sendable, CaseIterable {
    case health = "Health"
    case free = "Free"
    case predict = "Predict"
    case loadModel = "LoadModel"
    case predictStream = "PredictStream"
    case embedding = "Embedding"
    case generateImage = "GenerateImage"
    case upscaleImage = "UpscaleImage"
    case generateVideo = "GenerateVideo"
    case generate3D = "Generate3D"
    case audioTranscription = "AudioTranscription"
    case audioTranscriptionStream = "AudioTranscriptionStream"
    case audioTranscriptionLive = "AudioTranscriptionLive"
    case tts = "TTS"
    case ttsStream = "TTSStream"
    case soundGeneration = "SoundGeneration"
    case tokenizeString = "TokenizeString"
    case detokenize = "Detokenize"
    case status = "Status"
    case detect = "Detect"
    case soundDetection = "SoundDetection"
    case depth = "Depth"
    case faceVerify = "FaceVerify"
    case faceAnalyze = "FaceAnalyze"
    case voiceVerify = "VoiceVerify"
    case voiceAnalyze = "VoiceAnalyze"
    case voiceEmbed = "VoiceEmbed"
    case storesSet = "StoresSet"
    case storesDelete = "StoresDelete"
    case storesGet = "StoresGet"
    case storesFind = "StoresFind"
    case rerank = "Rerank"
    case tokenClassify = "TokenClassify"
    case score = "Score"
    case getMetrics = "GetMetrics"
    case vad = "VAD"
    case diarize = "Diarize"
    case audioEncode = "AudioEncode"
    case audioDecode = "AudioDecode"
    case audioTransform = "AudioTransform"
    case audioTransformStream = "AudioTransformStream"
    case audioToAudioStream = "AudioToAudioStream"
    case modelMetadata = "ModelMetadata"
    case startFineTune = "StartFineTune"
    case fineTuneProgress = "FineTuneProgress"
    case stopFineTune = "StopFineTune"
    case listCheckpoints = "ListCheckpoints"
    case exportModel = "ExportModel"
    case startQuantization = "StartQuantization"
    case quantizationProgress = "QuantizationProgress"
    case stopQuantization = "StopQuantization"
    case forward = "Forward"

    /// The call that `path`, a stream's `:path`, names; nil for every other.
    public init?(path: RawSpan) {
        guard let found = Self.find(path) else { return nil }
        self = found.method
    }

    /// The call that `path` names, with its position in `allCases`, for tables that have a row for each call.
    public static func find(_ path: RawSpan) -> (method: BackendMethod, position: Int)? {
        let prefixCount = Self.pathPrefix.count
        let nameCount = path.byteCount - prefixCount
        guard nameCount > 0, nameCount < Self.byNameCount.count else { return nil }
        return unsafe path.withUnsafeBytes { path in
            guard unsafe path.starts(with: Self.pathPrefix) else { return nil }
            let name = unsafe path[prefixCount...]
            return Self.byNameCount[nameCount].first { unsafe name.elementsEqual($0.name) }
                .map { ($0.method, $0.position) }
        }
    }

    /// How a caller may send and be answered.
    public enum Kind: Sendable {
        case unary
        case serverStreaming
        case bidirectional
    }

    public var kind: Kind {
        switch self {
        case .predictStream, .audioTranscriptionStream, .ttsStream, .fineTuneProgress, .quantizationProgress:
            .serverStreaming
        case .audioTranscriptionLive, .audioTransformStream, .audioToAudioStream, .forward:
            .bidirectional
        case .health, .free, .predict, .loadModel, .embedding, .generateImage, .upscaleImage, .generateVideo,
            .generate3D, .audioTranscription, .tts, .soundGeneration, .tokenizeString, .detokenize, .status,
            .detect, .soundDetection, .depth, .faceVerify, .faceAnalyze, .voiceVerify, .voiceAnalyze,
            .voiceEmbed, .storesSet, .storesDelete, .storesGet, .storesFind, .rerank, .tokenClassify, .score,
            .getMetrics, .vad, .diarize, .audioEncode, .audioDecode, .audioTransform, .modelMetadata,
            .startFineTune, .stopFineTune, .listCheckpoints, .exportModel, .startQuantization,
            .stopQuantization:
            .unary
        }
    }

    /// Where its requests name the model they mean; nil when they cannot.
    public var identityField: ModelIdentity.Field? {
        switch self {
        case .voiceEmbed, .vad:
            .number2
        case .voiceAnalyze, .tokenClassify:
            .number3
        case .soundDetection, .faceAnalyze, .rerank:
            .number4
        case .faceVerify, .voiceVerify, .score, .audioTransform:
            .number5
        case .detect:
            .number6
        case .tts, .ttsStream:
            .number8
        case .depth:
            .number10
        case .audioTranscription, .audioTranscriptionStream, .diarize:
            .number11
        case .generateImage:
            .number13
        case .generateVideo:
            .number15
        case .soundGeneration:
            .number18
        case .predict, .predictStream, .embedding, .tokenizeString:
            .number54
        case .health, .free, .loadModel, .upscaleImage, .generate3D, .audioTranscriptionLive, .detokenize,
            .status, .storesSet, .storesDelete, .storesGet, .storesFind, .getMetrics, .audioEncode,
            .audioDecode, .audioTransformStream, .audioToAudioStream, .modelMetadata, .startFineTune,
            .fineTuneProgress, .stopFineTune, .listCheckpoints, .exportModel, .startQuantization,
            .quantizationProgress, .stopQuantization, .forward:
            nil
        }
    }

    /// The `:path` of its streams.
    public var path: String { "/backend.Backend/\(self.rawValue)" }

    private static let pathPrefix = Array("/backend.Backend/".utf8)

    /// The calls whose names have as many bytes as the index says: a path is compared with a few names, not with 52.
    private static let byNameCount: [[(name: [UInt8], method: BackendMethod, position: Int)]] = {
        let longest = Self.allCases.map(\.rawValue.utf8.count).max() ?? 0
        var table: [[(name: [UInt8], method: BackendMethod, position: Int)]] = Array(repeating: [], count: longest + 1)
        for (position, method) in Self.allCases.enumerated() {
            table[method.rawValue.utf8.count].append((Array(method.rawValue.utf8), method, position))
        }
        return table
    }()
}
