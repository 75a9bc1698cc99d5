/// What LoadModel and Free mean in front of a cluster. Configuration section `clusters[].model`.
public struct ModelSettings: Sendable, Equatable {
    /// What a downstream Free does.
    public enum FreeAction: String, Sendable, CaseIterable {
        /// Answered with success; the replicas keep their model. LocalAI sends Free after one UNAVAILABLE.
        case answer
        /// Sent to every replica at once and the remembered options are dropped.
        case forward
        /// The same, once the streams of each replica have ended; what a replica says against it is reported.
        case unloadAll = "unload_all"
    }

    /// When a LoadModel has succeeded.
    public enum SuccessRule: String, Sendable, CaseIterable {
        /// One replica holds the model; the others get it when they can.
        case any
        case quorum
        case all
    }

    public var freeAction = FreeAction.answer
    public var successRule = SuccessRule.any
    /// How long one replica may take to load. Zero means as long as it needs.
    public var loadTimeoutMs = 0
    /// How long streams on a replica are waited for before it is (re)loaded, after which the load is reported failed.
    public var drainTimeoutMs = 60_000
    /// A replica that failed to load is not asked to load the same again for this long, doubled with each failure up to
    /// `retryMaxMs`; whoever asks meanwhile hears of the last failure.
    public var retryMs = 10_000
    public var retryMaxMs = 300_000
    /// File that keeps the options of the last LoadModel across restarts of the proxy. Empty keeps them nowhere.
    public var stateFile = ""

    public init() {}
}
