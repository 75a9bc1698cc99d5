/// What LoadModel and Free mean in front of a cluster. Configuration section `clusters[].model`.
package struct ModelSettings: Sendable, Equatable {
    /// What a downstream Free does.
    package enum FreeAction: String, Sendable, CaseIterable {
        /// Answered with success; the replicas keep their model. LocalAI sends Free after one UNAVAILABLE.
        case answer
        /// Sent to every replica and the remembered options are dropped.
        case forward
    }
    package var freeAction = FreeAction.answer
    /// How long one replica may take to load. Zero means as long as it needs.
    package var loadTimeoutMs = 0
    /// How long streams on a replica are waited for before it is (re)loaded, after which the load is reported failed.
    package var drainTimeoutMs = 60_000

    package init() {}
}
