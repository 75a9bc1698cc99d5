/// What is known about the model that one replica holds.
///
/// ```
/// unasked ──LoadModel sent──► loading ──success──► loaded(digest) ──connection lost──► unchecked ──asked──► loaded
///                                └──failure──► missing ◄──"Model not loaded"──────────────┘
/// ```
package enum ReplicaModel: Sendable, Equatable {
    /// Nobody has sent LoadModel through this proxy: the replica is taken as it is.
    case unasked
    case loading
    /// It holds the model of the options with this digest.
    case loaded(UInt64)
    /// It was lost from sight since, and may have restarted without its model.
    case unchecked
    /// It said that it has no model, or a load failed.
    case missing

    /// Whether the change from `before` to this means an empty KV cache: no model any more, or a newly loaded one.
    func hasLostCache(since before: ReplicaModel) -> Bool {
        switch self {
        case .missing: before != .missing
        case .loaded: before == .loading
        case .unasked, .loading, .unchecked: false
        }
    }

    /// The name that the admin pages use.
    package var name: String {
        switch self {
        case .unasked: "unasked"
        case .loading: "loading"
        case .loaded: "loaded"
        case .unchecked: "unchecked"
        case .missing: "missing"
        }
    }
}
