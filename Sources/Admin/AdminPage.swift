import Hummingbird

/// What the admin port has, by path.
enum AdminPage: String, CaseIterable {
    case status = "/"
    case live = "/live"
    case ready = "/ready"
    case metrics = "/metrics"
    case clusters = "/api/clusters"
    case replicas = "/api/replicas"
    case discovery = "/api/discovery"
    case decisions = "/api/decisions"
    case events = "/api/events"
    case history = "/api/history"
    case config = "/api/config"
    case logLevel = "/api/log-level"
    case schema = "/api/schema"
    case stream = "/api/stream"

    /// Whether it is answered without a token also where tokens are configured.
    var isPublic: Bool {
        switch self {
        case .status, .live, .ready, .schema: true
        case .metrics, .clusters, .replicas, .discovery, .decisions, .events, .history, .config, .logLevel, .stream:
            false
        }
    }

    var methods: [HTTPRequest.Method] {
        switch self {
        case .logLevel: [.get, .head, .put]
        default: [.get, .head]
        }
    }
}
