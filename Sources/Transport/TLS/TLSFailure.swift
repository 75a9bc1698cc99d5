internal import NIOCore
internal import NIOSSL

/// Why a connection did not get through its TLS handshake.
public struct TLSFailure: Error, Sendable, Equatable {
    /// For metrics; closed, so that labels stay bounded.
    public enum Kind: String, Sendable, CaseIterable {
        /// The peer does not speak TLS.
        case notTLS = "not_tls"
        /// The peer did not agree to HTTP/2 (ALPN `h2`).
        case notHTTP2 = "no_h2"
        /// One side did not accept the other's certificate, or there was none.
        case certificate
        /// It was not over in time.
        case timedOut = "timeout"
        /// The peer went away in the middle of it.
        case closed
        /// Anything else: no version or cipher in common, broken records.
        case handshake
    }

    public let kind: Kind
    /// A few words for logs, at most 120 characters; nothing in it is the peer's free text.
    public let detail: String

    init(_ kind: Kind, _ detail: String) {
        self.kind = kind
        self.detail = String(detail.prefix(120))
    }

    init(_ error: any Error) {
        let reason = Self.reason(of: error)
        self.init(Self.kind(of: error, reason), reason)
    }

    /// How the library says that the peer went away.
    private static let endOfFile = "EOF during handshake"

    private static func kind(of error: any Error, _ reason: String) -> Kind {
        switch error {
        case is IOError: return .closed
        case NIOSSLError.uncleanShutdown: return .closed
        case is NIOSSLExtraError: return .certificate
        default: ()
        }
        let notTLS = ["WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"]
        if reason == self.endOfFile { return .closed }
        if notTLS.contains(reason) { return .notTLS }
        return reason.contains("CERT") || reason.contains("UNKNOWN_CA") ? .certificate : .handshake
    }

    /// The library's name for what went wrong, such as `CERTIFICATE_VERIFY_FAILED`, else its description.
    static func reason(of error: any Error) -> String {
        let text = "\(error)"
        if text.contains(self.endOfFile) { return self.endOfFile }
        guard let start = text.firstRange(of: "OPENSSL_internal:")?.upperBound else { return text }
        return String(text[start...].prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
    }
}

/// A file that TLS needs and cannot use, and why.
package struct TLSProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let file: String
    package let text: String

    package var description: String { "\(self.file): \(self.text)" }
}
