import Routing
import Upstream
public import Wire

/// An answer that the proxy makes itself because no replica can. One table says what each cause looks like to a caller.
///
/// Two rules come from LocalAI, which unloads a model on UNAVAILABLE and on texts like "connection refused": losing one
/// replica is never UNAVAILABLE while another one lives, and the texts below avoid those words.
public struct LocalReply: Sendable, Equatable {
    public enum Cause: String, Sendable, CaseIterable {
        /// No replica can be reached.
        case noReplica = "no_replica"
        /// Replicas can be reached, but their model is being loaded.
        case modelLoading = "model_loading"
        /// Replicas can be reached, but none holds the model.
        case modelNotLoaded = "model_not_loaded"
        /// No cluster serves the model that the request names.
        case unknownModel = "unknown_model"
        /// The replica went away under a stream that may not be repeated, while another one lives.
        case replicaLost = "replica_lost"
        /// The replica reset the stream before its answer was complete.
        case replicaReset = "replica_reset"
        /// The replica's answer is not gRPC.
        case replicaNotGRPC = "replica_not_grpc"
        /// The caller's deadline passed (`grpc-timeout`).
        case deadlineExceeded = "deadline_exceeded"
        /// The `grpc-timeout` header is none.
        case malformedTimeout = "malformed_timeout"
        /// A gRPC message begins with a flag that does not exist.
        case malformedFraming = "malformed_framing"
        /// The request ended inside a gRPC message.
        case truncatedRequest = "truncated_request"
        /// A request that the proxy answers itself is not the message that it should be.
        case malformedRequest = "malformed_request"
        /// A request that the proxy answers itself is larger than it takes.
        case requestTooLarge = "request_too_large"
        /// The listener wants a token and the caller sent none.
        case missingToken = "missing_token"
        /// The caller's `authorization` is none that begins with `Bearer `, or there are two.
        case malformedToken = "malformed_token"
        /// The caller's token is not one that the listener takes.
        case wrongToken = "wrong_token"
        /// The request's header list is over the limit.
        case headersTooLarge = "headers_too_large"
        /// Nothing moved on the stream for too long.
        case streamIdle = "stream_idle"
        /// Every replica has as many streams as it may have, and as many wait as may.
        case queueFull = "queue_full"
        /// It waited for a replica for as long as it may.
        case queueTimeout = "queue_timeout"
        /// It would have to wait for a replica until after its deadline.
        case deadlineUnreachable = "deadline_unreachable"
        /// The first message did not come in time.
        case firstMessageTimeout = "first_message_timeout"
        /// LoadModel failed everywhere; the text says where and why.
        case loadFailed = "load_failed"
        /// Free failed at a replica; the text says where and why.
        case freeFailed = "free_failed"
        /// A health service that nobody knows was asked about.
        case unknownService = "unknown_service"
        /// A call that goes to every replica failed on one of them; the status and the text are the replica's.
        case fleetCallFailed = "fleet_call_failed"
        /// Not a gRPC request: another method than POST.
        case methodNotAllowed = "method_not_allowed"
        /// Not a gRPC request: another content type.
        case unsupportedMediaType = "unsupported_media_type"
    }

    public let cause: Cause
    public let status: GRPCStatus
    /// `:status`; anything but 200 goes to callers that do not speak gRPC, as gRPC over HTTP/2 asks for.
    public let httpStatus: Int
    /// `grpc-retry-pushback-ms` (gRPC retry design, A6): when to ask again; nil says nothing about it.
    public var retryAfterMs: Int?

    public init(_ cause: Cause, detail: String? = nil, code: GRPCStatusCode? = nil, httpStatus: Int? = nil) {
        self.cause = cause
        self.status = GRPCStatus(code ?? Self.code(of: cause), detail ?? Self.text(of: cause))
        self.httpStatus = httpStatus ?? Self.httpStatus(of: cause)
    }

    private static func code(of cause: Cause) -> GRPCStatusCode {
        switch cause {
        case .noReplica: .unavailable
        case .modelLoading, .modelNotLoaded: .failedPrecondition
        case .unknownModel, .unknownService: .notFound
        case .replicaLost, .streamIdle: .aborted
        case .replicaReset, .replicaNotGRPC, .truncatedRequest, .malformedFraming, .loadFailed, .freeFailed,
            .fleetCallFailed:
            .internal
        case .deadlineExceeded, .firstMessageTimeout: .deadlineExceeded
        case .malformedRequest, .malformedTimeout: .invalidArgument
        case .requestTooLarge, .headersTooLarge, .queueFull, .queueTimeout, .deadlineUnreachable: .resourceExhausted
        case .missingToken, .malformedToken, .wrongToken: .unauthenticated
        case .methodNotAllowed: .unimplemented
        case .unsupportedMediaType: .invalidArgument
        }
    }

    private static func text(of cause: Cause) -> String {
        switch cause {
        case .noReplica: "no replica can be reached"
        case .modelLoading: "Model not loaded: loading is under way"
        case .modelNotLoaded: "Model not loaded"
        case .unknownModel: "model identity mismatch: no cluster serves this model"
        case .replicaLost: "the replica went away before its answer was complete"
        case .replicaReset: "the replica ended the stream before its answer was complete"
        case .replicaNotGRPC: "the replica's answer is not gRPC"
        case .deadlineExceeded: "the deadline passed"
        case .malformedTimeout: "the grpc-timeout header is no timeout: 1 to 8 digits and one of H, M, S, m, u, n"
        case .malformedFraming: "a gRPC message begins with a flag that is neither 0 nor 1"
        case .truncatedRequest: "the request ended inside a gRPC message"
        case .malformedRequest: "the request is not the protobuf message that this method takes"
        case .requestTooLarge: "the request is larger than this method takes"
        case .missingToken: "missing authorization header"
        case .malformedToken: "not a Bearer token"
        case .wrongToken: "invalid token"
        case .headersTooLarge: "the request's headers are larger than the limit"
        case .streamIdle: "nothing moved on the stream for longer than the limit"
        case .queueFull: "every replica is busy and the queue is full"
        case .queueTimeout: "every replica was busy for longer than a call may wait"
        case .deadlineUnreachable: "every replica is busy until after the deadline"
        case .firstMessageTimeout: "the first message of the request did not come in time"
        case .loadFailed: "the model could not be loaded"
        case .freeFailed: "the model could not be freed"
        case .unknownService: "unknown service"
        case .fleetCallFailed: "a replica failed"
        case .methodNotAllowed: "gRPC requests use POST"
        case .unsupportedMediaType: "gRPC requests have a content type of application/grpc"
        }
    }

    private static func httpStatus(of cause: Cause) -> Int {
        switch cause {
        case .methodNotAllowed: 405
        case .unsupportedMediaType: 415
        case .noReplica, .modelLoading, .modelNotLoaded, .unknownModel, .replicaLost, .replicaReset, .replicaNotGRPC,
            .truncatedRequest, .malformedRequest, .malformedTimeout, .malformedFraming, .deadlineExceeded,
            .requestTooLarge, .headersTooLarge, .streamIdle, .firstMessageTimeout, .loadFailed, .freeFailed,
            .fleetCallFailed, .unknownService, .missingToken, .malformedToken, .wrongToken, .queueFull,
            .queueTimeout, .deadlineUnreachable:
            200
        }
    }

    /// What a caller hears that the queue does not take, or not keep.
    init(_ refusal: QueueRefusal) {
        switch refusal.cause {
        case .full: self.init(.queueFull)
        case .waitedTooLong: self.init(.queueTimeout)
        case .deadline: self.init(.deadlineUnreachable)
        }
        self.retryAfterMs = refusal.retryAfterMs
    }

    /// What a caller hears when a stream to a replica failed and is not sent elsewhere.
    /// - Parameter lostStatus: how the cluster wants the loss of one of several replicas to look.
    static func of(
        _ failure: UpstreamFailure, othersLive: Bool, lostStatus: ClusterSettings.LostAnswerStatus = .aborted
    ) -> LocalReply {
        switch failure {
        case .connectFailed, .connectionLost, .settingsTimeout, .stalled, .refused:
            othersLive ? LocalReply(.replicaLost, code: lostStatus.code) : LocalReply(.noReplica)
        case .reset(let code):
            LocalReply(.replicaReset, detail: "the replica ended the stream with \(code)", code: code.grpcStatus)
        case .notGRPC: LocalReply(.replicaNotGRPC)
        }
    }
}

extension ClusterSettings.LostAnswerStatus {
    var code: GRPCStatusCode {
        switch self {
        case .aborted: .aborted
        case .unavailable: .unavailable
        }
    }
}

extension HTTP2ErrorCode {
    /// The status that gRPC over HTTP/2 gives a reset with this code; UNAVAILABLE is kept for "no replica".
    var grpcStatus: GRPCStatusCode {
        switch self {
        case .cancel: .cancelled
        case .enhanceYourCalm: .resourceExhausted
        case .inadequateSecurity: .permissionDenied
        case .refusedStream: .aborted
        default: .internal
        }
    }
}
