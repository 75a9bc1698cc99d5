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

    private enum Page: String, CaseIterable {
        case status = "/"
        case live = "/live"
        case ready = "/ready"
        case metrics = "/metrics"
        case clusters = "/api/clusters"
        case replicas = "/api/replicas"
    }

    /// Most bytes of a request body, none of which is ever used.
    static let maxBodyBytes = 4_096

    let source: any AdminSource
    let metrics: MetricRegistry
    let hosts: HostCheck

    func respond(to request: Request, context: Context) -> Response {
        let length = request.headers[.contentLength].map { Int($0) ?? .max } ?? 0
        if length > Self.maxBodyBytes || request.headers[.transferEncoding] != nil {
            return Self.closing(Self.error(.contentTooLarge, "body_too_large"), context.channel)
        }
        guard self.hosts.accepts(request.head.authority) else {
            return Self.error(.misdirectedRequest, "host_not_served_here")
        }
        guard let page = Page(rawValue: request.uri.path) else { return Self.error(.notFound, "no_such_path") }
        switch request.method {
        case .get: return self.response(for: page)
        case .head: return self.response(for: page).createHeadResponse()
        default:
            var response = Self.error(.methodNotAllowed, "method_not_allowed")
            response.headers[.allow] = "GET, HEAD"
            return response
        }
    }

    private func response(for page: Page) -> Response {
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
        }
    }

    private static let plain = "text/plain; charset=utf-8"

    private static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            // Only a number that JSON cannot write (NaN, infinity) gets here, and it came from our own source.
            return Self.response(.internalServerError, "application/json", #"{"error":"not_encodable"}"# + "\n")
        }
        return Self.response(status, "application/json", String(decoding: data, as: UTF8.self) + "\n")
    }

    private static func error(_ status: HTTPResponse.Status, _ error: String) -> Response {
        self.json(["error": error], status: status)
    }

    private static func response(_ status: HTTPResponse.Status, _ contentType: String, _ body: String) -> Response {
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
