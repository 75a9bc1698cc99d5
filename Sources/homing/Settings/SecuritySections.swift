import Config
import Transport
import Upstream
import Wire

// TLS and tokens as the file writes them.

private let upToADay = 0...86_400_000

extension TLSServerSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "certificate_file", &self.certificateFile, .filePath, required: true,
            "PEM file with the listener's certificate, followed by those that lead from it towards a root.")
        section.value(
            "private_key_file", &self.privateKeyFile, .filePath, required: true,
            "PEM file with the private key of that certificate, without a passphrase.")
        section.optionalValue(
            "client_ca_file", &self.clientCAFile, .filePath,
            "PEM file with the authorities that sign callers' certificates (mutual TLS). Without it callers are not "
                + "asked for one.")
        section.optionalValue(
            "require_client_certificate", &self.requireClientCertificate, .bool,
            "Whether callers without a certificate are refused. Needs client_ca_file, and is true with it; false only "
                + "checks the certificates that callers bring.")
        section.value("minimum_version", &self.minimumVersion, .oneOf, "The oldest version of TLS that is spoken.")
        section.value(
            "handshake_timeout_ms", &self.handshakeTimeoutMs, .int(in: 1...86_400_000),
            "How long a caller may take for its TLS handshake.")
        section.value(
            "reload_interval_ms", &self.reloadIntervalMs, .int(in: upToADay),
            "How often the files are looked at for new certificates, which new connections then get. 0 means on "
                + "SIGHUP only.")
    }
}

extension TLSClientSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.optionalValue(
            "ca_file", &self.caFile, .filePath,
            "PEM file with the authorities that sign the replicas' certificates. Without it the system's are used.")
        section.optionalValue(
            "certificate_file", &self.certificateFile, .filePath,
            "PEM file with our certificate, for replicas that ask for one (mutual TLS). Needs private_key_file.")
        section.optionalValue(
            "private_key_file", &self.privateKeyFile, .filePath,
            "PEM file with the private key of that certificate, without a passphrase.")
        section.optionalValue(
            "server_name", &self.serverName, .string(atMost: 253, emptyAllowed: false),
            "The name that the replicas' certificates hold. Without it: the host or address of each replica. Replicas "
                + "on UNIX sockets need it.")
        section.value(
            "verify", &self.verify, .oneOf,
            "What is checked in a replica's certificate. full: signer, dates and name. chain: signer and dates. none: "
                + "nothing, so anybody may pose as a replica.")
        section.value("minimum_version", &self.minimumVersion, .oneOf, "The oldest version of TLS that is spoken.")
        section.value(
            "reload_interval_ms", &self.reloadIntervalMs, .int(in: upToADay),
            "How often the files are looked at for new certificates, which new connections then use. 0 means on "
                + "SIGHUP only.")
    }
}

extension ListenerAuthSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.sections(
            "tokens", &self.tokens,
            "The tokens that callers may prove themselves with, in 'authorization: Bearer TOKEN' metadata of every "
                + "call, Health included. Several, so that an old one goes on while callers get the new one. Empty "
                + "means that everybody may call.")
    }
}

extension AcceptedToken: ConfigSection {
    mutating func read(from section: SectionReader) {
        var secret = self.token.map(Secret.init)
        section.secret("token", &secret, "One token that is taken.")
        self.token = secret.map(BearerToken.init)
    }
}

extension UpstreamAuthSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        var secret = self.token.map(Secret.init)
        section.secret(
            "token", &secret,
            "The replicas' token. It is sent with every call, in place of the caller's, and with our own probes and "
                + "loads.")
        self.token = secret.map(BearerToken.init)
        section.value(
            "pass_through", &self.passThrough, .bool,
            "Whether a caller's authorization metadata reaches the replicas while there is no token here.")
    }
}

extension Secret {
    init(_ token: BearerToken) {
        let source: Source =
            switch token.origin {
            case .environment(let name): .environment(name)
            case .file(let path): .file(path)
            }
        self.init(token.reveal(), from: source)
    }
}

extension BearerToken {
    init(_ secret: Secret) {
        let origin: Origin =
            switch secret.source {
            case .environment(let name): .environment(name)
            case .file(let path): .file(path)
            }
        self.init(secret.reveal(), from: origin)
    }
}

extension ValueForm where Value == String {
    fileprivate static var filePath: Self { .string(emptyAllowed: false) }
}

extension ValueForm where Value == UInt32 {
    /// Permissions of a file as `chmod` has them.
    static var permissions: Self {
        Self(
            expects: "permissions in octal, such as \"0660\"",
            parse: { (scalar) throws(Mismatch) in
                guard (3...4).contains(scalar.text.utf8.count), let value = UInt32(scalar.text, radix: 8),
                    value <= 0o777
                else { throw .unexpected }
                return value
            },
            show: {
                let digits = String($0, radix: 8)
                return ScalarText(String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits, isText: true)
            })
    }
}
