/// TLS on the side that accepts connections. Configuration section `listeners[].tls`. HTTP/2 (ALPN `h2`) is required.
public struct TLSServerSettings: Sendable, Equatable {
    /// Path of a PEM file: our certificate first, then those that lead from it towards a root.
    public var certificateFile = ""
    /// Path of a PEM file with the private key of that certificate, without a passphrase.
    public var privateKeyFile = ""
    /// Path of a PEM file with the certificate authorities that sign peers' certificates; nil asks peers for none.
    public var clientCAFile: String?
    /// Whether a peer without a certificate is refused; nil means exactly when there is a `clientCAFile`.
    public var requireClientCertificate: Bool?
    public var minimumVersion = TLSVersion.v12
    /// How long a peer may take for its handshake, in milliseconds. At least 1.
    public var handshakeTimeoutMs = 10_000
    /// How often the files are looked at, in milliseconds. Zero: never by itself.
    public var reloadIntervalMs = 10_000

    public init() {}
}

/// TLS on the side that connects. Configuration section `clusters[].tls`. HTTP/2 (ALPN `h2`) is required.
public struct TLSClientSettings: Sendable, Equatable {
    /// Path of a PEM file with the certificate authorities that sign peers' certificates; nil means the system's.
    public var caFile: String?
    /// Path of a PEM file with our certificate, for peers that ask for one; nil has none to show.
    public var certificateFile: String?
    /// Path of a PEM file with the private key of that certificate, without a passphrase.
    public var privateKeyFile: String?
    /// The name that a peer's certificate must hold; nil means the host that is connected to.
    public var serverName: String?
    public var verify = Verification.full
    public var minimumVersion = TLSVersion.v12
    /// How often the files are looked at, in milliseconds. Zero: never by itself.
    public var reloadIntervalMs = 10_000

    /// What is looked at in a peer's certificate.
    public enum Verification: String, Sendable, CaseIterable {
        /// Who signed it, whether it is still valid, and whose it is.
        case full
        /// Who signed it and whether it is still valid, whatever name it holds.
        case chain
        /// Nothing: whoever answers is believed.
        case none
    }

    public init() {}
}

/// The oldest version of TLS that is spoken. HTTP/2 allows nothing below 1.2 (RFC 9113 §9.2).
public enum TLSVersion: String, Sendable, CaseIterable {
    case v12 = "1.2"
    case v13 = "1.3"
}
