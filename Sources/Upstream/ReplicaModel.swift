/// What is known about the model that one replica holds.
///
/// ```
/// unasked ──LoadModel sent──► loading ──success──► loaded(digest) ──connection lost──► unchecked ──asked──► loaded
///                                └──failure──► missing ◄──"Model not loaded"──┐           │ connect refused
///                                                 ▲───────────────────────────┴──asked── restarted
/// any ──"model identity mismatch"──► another ──asked again──► loaded, unasked
/// ```
public enum ReplicaModel: Sendable, Equatable {
    /// Nobody has sent LoadModel through this proxy: the replica is taken as it is.
    case unasked
    case loading
    /// It holds the model of the options with this digest.
    case loaded(UInt64)
    /// A connection to it was lost since: it may have restarted, but most likely it did not, so it stays a last resort.
    case unchecked
    /// Nothing listened there since: it is another process now, and gets no streams before it was asked.
    case restarted
    /// It said that it has no model, or a load failed.
    case missing
    /// It said that it serves another model than callers name: its port is somebody else's now.
    case another

    /// Whether the change from `before` to this means an empty KV cache: no model any more, or a newly loaded one.
    func hasLostCache(since before: ReplicaModel) -> Bool {
        switch self {
        case .missing, .another: before != self
        case .loaded: before == .loading
        case .unasked, .loading, .unchecked, .restarted: false
        }
    }

    /// The replica was lost from sight. A process that is gone takes its model with it; one that only lost a connection
    /// has to be asked.
    public mutating func lost(refused: Bool) {
        switch self {
        case .loaded, .unchecked, .restarted: self = refused || self == .restarted ? .restarted : .unchecked
        case .another where refused: self = .restarted
        case .unasked, .loading, .missing, .another: ()
        }
    }

    /// Whether its prober should find out more, or bring the model back, before long.
    var needsCare: Bool {
        switch self {
        case .unchecked, .restarted, .missing, .another: true
        case .unasked, .loading, .loaded: false
        }
    }

    /// The name that the admin pages use.
    public var name: String {
        switch self {
        case .unasked: "unasked"
        case .loading: "loading"
        case .loaded: "loaded"
        case .unchecked: "unchecked"
        case .restarted: "restarted"
        case .missing: "missing"
        case .another: "another"
        }
    }
}
