internal import NIOCore
internal import NIOSSL

/// The settings of one side of TLS, and how they become a context of the TLS library.
enum TLSSide: Sendable, Equatable {
    case server(TLSServerSettings)
    case client(TLSClientSettings)

    /// How long a peer may take to answer our goodbye. HTTP/2 said its own before.
    private static let shutdownTimeout = TimeAmount.milliseconds(250)

    /// Suites of TLS 1.2 that HTTP/2 does not forbid (RFC 9113 Appendix A); TLS 1.3 has good ones only.
    private static let suites: [NIOTLSCipher] = [
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]

    /// Every file that the context is made from.
    var files: [String] {
        switch self {
        case .server(let settings):
            [settings.certificateFile, settings.privateKeyFile] + [settings.clientCAFile].compactMap { $0 }
        case .client(let settings):
            [settings.caFile, settings.certificateFile, settings.privateKeyFile].compactMap { $0 }
        }
    }

    /// The name that a peer's certificate is compared with; nil for an address, which is then compared itself.
    func serverName(of endpoint: Endpoint) -> String? {
        guard case .client(let settings) = self else { return nil }
        if let name = settings.serverName { return IPAddressText.isAddress(name) ? nil : name }
        switch endpoint.kind {
        case .host(let host, _): return IPAddressText.isAddress(host) ? nil : host
        case .unix: return nil
        }
    }

    /// Reads the files. Gives back the context and when our own certificate ends.
    func load() throws(TLSProblem) -> (NIOSSLContext, expiry: Int?) {
        switch self {
        case .server(let settings): try Self.load(settings)
        case .client(let settings): try Self.load(settings)
        }
    }

    private static func load(_ settings: TLSServerSettings) throws(TLSProblem) -> (NIOSSLContext, Int?) {
        let chain = try self.certificates(settings.certificateFile)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(try self.privateKey(settings.privateKeyFile)))
        if let file = settings.clientCAFile {
            configuration.trustRoots = .certificates(try self.certificates(file))
            // Callers have no names that could be compared.
            configuration.certificateVerification =
                settings.requireClientCertificate ?? true ? .noHostnameVerification : .optionalVerification
        }
        return (
            try self.context(configuration, settings.minimumVersion, settings.certificateFile),
            chain.first.map { Int($0.notValidAfter) }
        )
    }

    private static func load(_ settings: TLSClientSettings) throws(TLSProblem) -> (NIOSSLContext, Int?) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let file = settings.caFile { configuration.trustRoots = .certificates(try self.certificates(file)) }
        configuration.certificateVerification =
            switch settings.verify {
            case .full: .fullVerification
            case .chain: .noHostnameVerification
            case .none: .none
            }
        var expiry: Int?
        if let certificateFile = settings.certificateFile, let keyFile = settings.privateKeyFile {
            let chain = try self.certificates(certificateFile)
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(try self.privateKey(keyFile))
            expiry = chain.first.map { Int($0.notValidAfter) }
        }
        let file = settings.certificateFile ?? settings.caFile ?? "the system's certificate authorities"
        return (try self.context(configuration, settings.minimumVersion, file), expiry)
    }

    private static func context(
        _ configuration: TLSConfiguration, _ minimum: TLSVersion, _ file: String
    ) throws(TLSProblem) -> NIOSSLContext {
        var configuration = configuration
        configuration.minimumTLSVersion =
            switch minimum {
            case .v12: .tlsv12
            case .v13: .tlsv13
            }
        configuration.applicationProtocols = ["h2"]
        configuration.cipherSuiteValues = self.suites
        configuration.shutdownTimeout = self.shutdownTimeout
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            let why = TLSFailure.reason(of: error)
            throw TLSProblem(
                file: file,
                text: why.contains("MISMATCH") ? "the private key is not that of this certificate" : why)
        }
    }

    private static func certificates(_ file: String) throws(TLSProblem) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(file), !certificates.isEmpty else {
            throw TLSProblem(file: file, text: "no certificate in PEM form can be read from it")
        }
        return certificates
    }

    private static func privateKey(_ file: String) throws(TLSProblem) -> NIOSSLPrivateKey {
        guard let key = try? NIOSSLPrivateKey(file: file, format: .pem) else {
            throw TLSProblem(file: file, text: "no private key in PEM form without a passphrase can be read from it")
        }
        return key
    }
}

extension IPAddressText {
    static func isAddress(_ text: String) -> Bool { self.isV4(text) || self.isV6(text) }
}
