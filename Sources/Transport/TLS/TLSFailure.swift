internal import COpenSSL
internal import Glibc

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

    /// - Parameter error: the first in OpenSSL's queue, where the cause stands; zero when there is none.
    /// - Parameter verification: what came of looking at the peer's certificate.
    init(firstError error: UInt, verification: Int) {
        guard error != 0 else {
            self.init(.closed, "the peer closed the connection")
            return
        }
        let reason = homing_error_library(error) == ERR_LIB_SSL ? homing_error_reason(error) : 0
        let kind = Self.kind(of: reason)
        var detail = unsafe ERR_reason_error_string(error).map { unsafe String(cString: $0) } ?? "error \(error)"
        if reason == SSL_R_CERTIFICATE_VERIFY_FAILED, verification != Int(X509_V_OK) {
            detail += ": \(unsafe String(cString: X509_verify_cert_error_string(verification)))"
        }
        self.init(kind, detail)
    }

    private static func kind(of reason: CInt) -> Kind {
        switch reason {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: .notTLS
        case SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: .certificate
        // What the peer's alerts say of our certificate (RFC 8446 §6): bad, unsupported, revoked, expired, unknown,
        // of an unknown authority, required.
        case 1_042, 1_043, 1_044, 1_045, 1_046, 1_048, 1_116: .certificate
        default: .handshake
        }
    }
}

/// A file that TLS needs and cannot use, and why.
public struct TLSProblem: Error, Sendable, Equatable, CustomStringConvertible {
    public let file: String
    public let text: String

    public var description: String { "\(self.file): \(self.text)" }
}
