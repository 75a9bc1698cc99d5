public import Telemetry
import Transport
public import Wire

/// What the downstream side counts. Handles are made once, so that counting is one atomic addition.
public final class ProxyMetrics: Sendable {
    public let activeStreams: Gauge
    public let connections: Gauge
    /// Request bytes that wait for a first message to be whole, or for a replica.
    public let heldBytes: Gauge
    public let undecodedHints: Counter
    public let notHTTP2: Counter
    public let protocolErrors: Counter
    private let handshakeFailures: [TLSFailure.Kind: Counter]
    private let defences: [String: Counter]
    private let localReplies: [LocalReply.Cause: Counter]
    /// By cluster, then by method and status; rows are made at start so that labels stay bounded.
    private let streams: [CounterGrid]
    private static let methods = BackendMethod.allCases.map(\.rawValue) + ["other"]
    private static let statuses = GRPCStatusCode.allCases.map(\.name) + ["none"]

    public init(clusters: [String], registry: MetricRegistry) {
        self.activeStreams = registry.gauge(
            "homing_streams_active", help: "Downstream streams that are open.")
        self.connections = registry.gauge(
            "homing_downstream_connections", help: "Downstream connections that are open, or in their TLS handshake.")
        self.heldBytes = registry.gauge(
            "homing_held_bytes",
            help: "Request bytes that wait for their first message to be whole, or for a replica.")
        self.undecodedHints = registry.counter(
            "homing_undecoded_hints_total",
            help: "Prompts that could not be read and went to the least loaded replica.")
        self.notHTTP2 = registry.counter(
            "homing_not_http2_total", help: "Connections whose first bytes were no HTTP/2.")
        self.protocolErrors = registry.counter(
            "homing_protocol_errors_total", help: "Downstream connections ended for breaking HTTP/2.")
        self.handshakeFailures = Dictionary(
            uniqueKeysWithValues: TLSFailure.Kind.allCases.map { kind in
                (
                    kind,
                    registry.counter(
                        "homing_tls_handshake_failures_total",
                        help: "Downstream connections that did not get through their TLS handshake.",
                        labels: ["reason": kind.rawValue])
                )
            })
        let kinds = Defence.allCases.map(\.rawValue) + HTTP2Offence.allCases.map(\.rawValue)
        self.defences = Dictionary(
            uniqueKeysWithValues: kinds.map { kind in
                (
                    kind,
                    registry.counter(
                        "homing_defences_total", help: "What was done against callers that cost too much, by kind.",
                        labels: ["kind": kind])
                )
            })
        self.localReplies = Dictionary(
            uniqueKeysWithValues: LocalReply.Cause.allCases.map { cause in
                (
                    cause,
                    registry.counter(
                        "homing_local_replies_total", help: "Answers that the proxy made itself, by cause.",
                        labels: ["cause": cause.rawValue])
                )
            })
        self.streams = clusters.map { cluster in
            registry.counterGrid(
                "homing_streams_total", help: "Downstream streams that ended, by method and gRPC status.",
                labels: ["cluster": cluster], rows: ("method", Self.methods), columns: ("status", Self.statuses))
        }
    }

    public func defended(_ defence: Defence) { self.defences[defence.rawValue]?.add() }
    public func defended(_ offence: HTTP2Offence) { self.defences[offence.rawValue]?.add() }

    public func replied(_ cause: LocalReply.Cause) { self.localReplies[cause]?.add() }

    func handshakeFailed(_ kind: TLSFailure.Kind) { self.handshakeFailures[kind]?.add() }

    /// - Parameter method: position in `BackendMethod.allCases`; nil for a method that is not the protocol's.
    func ended(cluster: Int, method: Int?, status: GRPCStatusCode?) {
        let row = method ?? Self.methods.count - 1
        let column = status.map { Int($0.rawValue) } ?? Self.statuses.count - 1
        self.streams[cluster][row, column].add()
    }
}
