internal import Wire

/// A readable answer for callers that speak HTTP/1 to a port that takes HTTP/2 only (RFC 9110 §15.5.22).
enum HTTP1Refusal {
    static func looksLikeHTTP1(_ bytes: RawSpan) -> Bool {
        let methods: [StaticString] = [
            "GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE ",
        ]
        return methods.contains { bytes.starts(with: $0) }
    }

    static let answer: [UInt8] = {
        let body = "This port speaks gRPC over HTTP/2 with prior knowledge, not HTTP/1.\n"
        let head = [
            "HTTP/1.1 426 Upgrade Required", "connection: close, upgrade", "upgrade: h2c", "content-type: text/plain",
            "content-length: \(body.utf8.count)",
        ]
        return Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }()
}
