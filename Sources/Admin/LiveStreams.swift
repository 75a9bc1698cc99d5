import Foundation
import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization

/// How many readers follow `/api/stream`. Bounded, since each of them costs a snapshot every second.
final class LiveStreams: Sendable {
    /// One reader's place, given back when nobody holds it any more, however its answer ended.
    final class Seat: Sendable {
        private let streams: LiveStreams

        fileprivate init(of streams: LiveStreams) { self.streams = streams }

        deinit { self.streams.taken.subtract(1, ordering: .relaxed) }
    }

    static let most = 32
    private let taken = Atomic(0)

    /// Nil when there are as many as there may be.
    func seat() -> Seat? {
        let seat = Seat(of: self)
        return self.taken.add(1, ordering: .relaxed).newValue <= Self.most ? seat : nil
    }
}

/// One event of `/api/stream`: what the status page shows. The first one has the whole history, the others its newest
/// points.
struct LiveState: Encodable {
    var unixMs: Int
    var ready: Bool
    /// As `/ready` says it.
    var readiness: String
    var clusters: [ClusterSnapshot]
    var replicas: [ReplicaSnapshot]
    var decisions: [DecisionSnapshot]
    var events: [EventSnapshot]
    var history: TrafficHistory

    static let decisionCount = 40
    static let eventCount = 40

    private enum CodingKeys: String, CodingKey {
        case ready, readiness, clusters, replicas, decisions, events, history
        case unixMs = "unix_ms"
    }

    init(of source: any AdminSource, unixMs: Int, newestPoints: Int = .max) {
        self.unixMs = unixMs
        self.clusters = source.clusters()
        self.replicas = source.replicas()
        switch ReadyVerdict(source.readiness, clusters: self.clusters) {
        case .ready: (self.ready, self.readiness) = (true, "ready")
        case .notReady(let reason): (self.ready, self.readiness) = (false, reason)
        }
        self.decisions = source.decisions(Self.decisionCount)
        self.events = source.events(Self.eventCount, after: 0)
        self.history = source.history()
        self.history.points.removeFirst(max(0, self.history.points.count - newestPoints))
    }
}

extension AdminResponder {
    /// Server-sent events, one a second, until the reader goes or the server shuts down.
    func stream() -> Response {
        guard let seat = self.streams.seat() else { return Self.error(.serviceUnavailable, "too_many_streams") }
        let source = self.source
        var response = Self.response(.ok, "text/event-stream; charset=utf-8", "")
        response.headers[.contentLength] = nil
        response.body = ResponseBody { writer in
            defer { withExtendedLifetime(seat) {} }
            let (ticks, tick) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            let clock = Task {
                while !Task.isCancelled {
                    tick.yield()
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            defer { clock.cancel() }
            try await withGracefulShutdownHandler {
                var newestPoints = Int.max
                for await _ in ticks {
                    let state = LiveState(of: source, unixMs: Self.unixMs, newestPoints: newestPoints)
                    // What JSON cannot write is left out this time.
                    guard let text = Self.text(state) else { continue }
                    try await writer.write(ByteBuffer(string: "event: state\ndata: \(text)\n\n"))
                    newestPoints = 2
                }
            } onGracefulShutdown: {
                tick.finish()
            }
            try await writer.finish(nil)
        }
        return response
    }

    private static var unixMs: Int { Int(Date().timeIntervalSince1970 * 1_000) }
}
