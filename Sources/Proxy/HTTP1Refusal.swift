internal import Wire

/// What callers hear that do not speak HTTP/2 to a port that takes nothing else: those with HTTP/1 get an answer that
/// they can read (RFC 9110 §15.5.22).
enum HTTP1Refusal {
    static func looksLikeHTTP1(_ bytes: RawSpan) -> Bool {
        let methods: [StaticString] = [
            "GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE ",
        ]
        return methods.contains { bytes.starts(with: $0) }
    }

    /// For everything else that is no preface: an empty SETTINGS frame and GOAWAY(PROTOCOL_ERROR) (RFC 9113 §3.4).
    static let goAway: [UInt8] = [
        0, 0, 0, 4, 0, 0, 0, 0, 0,
        0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    ]

    static let answer: [UInt8] = {
        let body = "This port speaks gRPC over HTTP/2 with prior knowledge, not HTTP/1.\n"
        let head = [
            "HTTP/1.1 426 Upgrade Required", "connection: close, upgrade", "upgrade: h2c", "content-type: text/plain",
            "content-length: \(body.utf8.count)",
        ]
        return Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }()
}
