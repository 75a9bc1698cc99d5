import Foundation
import Hummingbird
import NIOCore
import Telemetry

/// Answers one request of the admin port. Every path, every refusal and every response header stands here.
struct AdminResponder: HTTPResponder {
    /// What is known of a request besides itself: its connection, to close it after a refusal.
    struct Context: InitializableFromSource {
        let channel: any Channel

        init(source: ApplicationRequestContextSource) {
            self.channel = source.channel
        }
    }

    /// Most bytes of a request body, none of which is ever used.
    static let maxBodyBytes = 4_096

    let source: any AdminSource
    let metrics: MetricRegistry
    let hosts: HostCheck

    let access: AdminAccess
    let streams = LiveStreams()

    func respond(to request: Request, context: Context) async throws -> Response {
        let length = request.headers[.contentLength].map { Int($0) ?? .max } ?? 0
        if length > Self.maxBodyBytes || request.headers[.transferEncoding] != nil {
            return Self.closing(Self.error(.contentTooLarge, "body_too_large"), context.channel)
        }
        guard self.hosts.accepts(request.head.authority) else {
            return Self.error(.misdirectedRequest, "host_not_served_here")
        }
        let page = AdminPage(rawValue: request.uri.path)
        let replica = page == nil ? ReplicaPath(request.uri.path) : nil
        guard let methods = page?.methods ?? replica?.methods else { return Self.error(.notFound, "no_such_path") }
        guard methods.contains(request.method) else {
            var response = Self.error(.methodNotAllowed, "method_not_allowed")
            response.headers[.allow] = methods.map(\.rawValue).joined(separator: ", ")
            return response
        }
        let changes = request.method != .get && request.method != .head
        if changes || !(page?.isPublic ?? false),
            let refusal = self.access.refusal(of: request.headers[.authorization], changes: changes)
        {
            return Self.refused(refusal)
        }
        switch (page, request.method) {
        case (let page?, .get): return self.response(for: page, request, context)
        case (let page?, .head): return self.response(for: page, request, context).createHeadResponse()
        case (.logLevel, _): return try await self.setLogLevel(request)
        case (.reload, _): return await self.reload()
        case (.replicas, _): return await self.addReplica(request)
        case (_, _): return self.changeReplica(replica, request)
        }
    }

    private func response(for page: AdminPage, _ request: Request, _ context: Context) -> Response {
        switch page {
        case .status:
            let nonce = StatusPage.nonce()
            var response = Self.response(.ok, "text/html; charset=utf-8", StatusPage.html(nonce: nonce))
            response.headers[.contentSecurityPolicy] = StatusPage.contentSecurityPolicy(nonce: nonce)
            return response
        case .live: return Self.response(.ok, Self.plain, "live")
        case .ready:
            switch ReadyVerdict(self.source.readiness, clusters: self.source.clusters()) {
            case .ready: return Self.response(.ok, Self.plain, "ready")
            case .notReady(let reason): return Self.response(.serviceUnavailable, Self.plain, reason)
            }
        case .metrics:
            return Self.response(.ok, "text/plain; version=0.0.4; charset=utf-8", self.metrics.exposition())
        case .clusters: return Self.json(ClusterList(clusters: self.source.clusters()))
        case .replicas: return Self.json(ReplicaList(replicas: self.source.replicas()))
        case .discovery: return Self.json(DiscoveryList(sources: self.source.discovery()))
        case .decisions:
            guard let limit = Self.number("limit", of: request, in: 1...512, or: 50) else { return Self.badLimit }
            return Self.json(DecisionList(decisions: self.source.decisions(limit)))
        case .events:
            guard let limit = Self.number("limit", of: request, in: 1...512, or: 50) else { return Self.badLimit }
            guard let after = Self.number("after", of: request, in: 0...Int.max, or: 0) else {
                return Self.error(.badRequest, "after_is_the_id_of_an_event")
            }
            return Self.json(EventList(events: self.source.events(limit, after: after)))
        case .history: return Self.json(self.source.history())
        case .config: return Self.json(self.source.settings)
        case .logLevel: return Self.json(LogLevel(logLevel: self.source.logLevel))
        // There is nothing to read there.
        case .reload: return Self.error(.methodNotAllowed, "method_not_allowed")
        case .schema: return Self.response(.ok, "application/schema+json", ApiSchema.text)
        case .stream: return self.stream(on: context.channel)
        }
    }

    private func setLogLevel(_ request: Request) async throws -> Response {
        guard let body = try? await request.body.collect(upTo: Self.maxBodyBytes),
            let wanted = try? JSONDecoder().decode(LogLevel.self, from: Data(body.readableBytesView))
        else { return Self.error(.badRequest, "body_is_not_a_log_level") }
        guard self.source.setLogLevel(wanted.logLevel) else { return Self.error(.badRequest, "no_such_log_level") }
        return Self.json(LogLevel(logLevel: self.source.logLevel))
    }

    /// The number of this name in the query; nil when it is there and out of bounds.
    private static func number(
        _ name: Substring, of request: Request, in bounds: ClosedRange<Int>, or other: Int
    ) -> Int? {
        guard let text = request.uri.queryParameters[name] else { return other }
        return Int(text).flatMap { bounds.contains($0) ? $0 : nil }
    }

    private static var badLimit: Response { Self.error(.badRequest, "limit_is_1_to_512") }

    private static func refused(_ refusal: AdminAccess.Refusal) -> Response {
        var response = Self.error(refusal == .noneConfigured ? .forbidden : .unauthorized, refusal.rawValue)
        if refusal != .noneConfigured { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }

    private static let plain = "text/plain; charset=utf-8"

    /// One line of JSON with sorted keys; nil for a number that JSON cannot write (NaN, infinity).
    static func text(_ value: some Encodable) -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) }
    }

    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        guard let text = Self.text(value) else {
            return Self.response(.internalServerError, "application/json", #"{"error":"not_encodable"}"# + "\n")
        }
        return Self.response(status, "application/json", text + "\n")
    }

    static func error(_ status: HTTPResponse.Status, _ error: String) -> Response {
        self.json(["error": error], status: status)
    }

    static func response(_ status: HTTPResponse.Status, _ contentType: String, _ body: String) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = contentType
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
    }

    /// The same response, after which the connection ends: its request's body is not worth reading.
    private static func closing(_ response: Response, _ channel: any Channel) -> Response {
        var headers = response.headers
        headers[.connection] = "close"
        let body = response.body
        return Response(
            status: response.status, headers: headers,
            body: ResponseBody(contentLength: body.contentLength) { writer in
                try await body.write(writer)
                channel.close(promise: nil)
            })
    }
}
