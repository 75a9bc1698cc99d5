import Foundation
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
    case reload = "/api/reload"
    case schema = "/api/schema"
    case stream = "/api/stream"

    /// Whether it is answered without a token also where tokens are configured.
    var isPublic: Bool {
        switch self {
        case .status, .live, .ready, .schema: true
        case .metrics, .clusters, .replicas, .discovery, .decisions, .events, .history, .config, .logLevel, .reload,
            .stream:
            false
        }
    }

    var methods: [HTTPRequest.Method] {
        switch self {
        case .logLevel: [.get, .head, .put]
        case .replicas: [.get, .head, .post]
        case .reload: [.post]
        default: [.get, .head]
        }
    }
}

/// A path below `/api/replicas`: one replica, and what is to be done with it.
struct ReplicaPath: Equatable {
    enum Verb: String {
        case drain
        case undrain
    }

    /// The replica's name.
    let name: String
    /// Nil: the replica itself.
    let verb: Verb?

    /// Nil for any other path.
    /// - Parameter path: percent-encoded, as it came; a name with a slash has it encoded.
    init?(_ path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4 || parts.count == 5, parts[0].isEmpty, parts[1] == "api", parts[2] == "replicas",
            let name = String(parts[3]).removingPercentEncoding, !name.isEmpty
        else { return nil }
        self.name = name
        guard parts.count == 5 else {
            self.verb = nil
            return
        }
        guard let verb = Verb(rawValue: String(parts[4])) else { return nil }
        self.verb = verb
    }

    var methods: [HTTPRequest.Method] { self.verb == nil ? [.delete] : [.post] }
}
