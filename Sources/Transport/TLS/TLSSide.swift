/// The settings of one side of TLS, and how they become what connections use.
enum TLSSide: Sendable, Equatable {
    case server(TLSServerSettings)
    case client(TLSClientSettings)

    /// Every file that is read.
    var files: [String] {
        switch self {
        case .server(let settings):
            [settings.certificateFile, settings.privateKeyFile] + [settings.clientCAFile].compactMap { $0 }
        case .client(let settings):
            [settings.caFile, settings.certificateFile, settings.privateKeyFile].compactMap { $0 }
        }
    }

    /// The name that a peer is asked for; nil for an address, which nobody can be asked for.
    func serverName(of endpoint: Endpoint) -> String? {
        guard case .client(let settings) = self else { return nil }
        if let name = settings.serverName { return IPAddressText.isAddress(name) ? nil : name }
        switch endpoint.kind {
        case .host(let host, _): return IPAddressText.isAddress(host) ? nil : Self.withoutDot(host)
        case .unix: return nil
        }
    }

    /// Who has to answer at the endpoint. Nil when nobody there could prove who it is: a UNIX socket has no name.
    func identity(of endpoint: Endpoint) -> TLSIdentity? {
        guard case .client(let settings) = self else { return nil }
        let name = self.serverName(of: endpoint)
        guard settings.verify == .full else { return .anybody(asked: name) }
        if let name { return .name(name) }
        if let address = settings.serverName { return .address(address) }
        switch endpoint.kind {
        // The zone of an address means something on this system only.
        case .host(let host, _): return .address(String(host.prefix { $0 != "%" }))
        case .unix: return nil
        }
    }

    /// Reads the files.
    func load() throws(TLSProblem) -> TLSMaterial {
        switch self {
        case .server(let settings): try Self.load(settings)
        case .client(let settings): try Self.load(settings)
        }
    }

    private static func load(_ settings: TLSServerSettings) throws(TLSProblem) -> TLSMaterial {
        let material = try TLSMaterial(
            isServer: true, minimum: settings.minimumVersion, for: settings.certificateFile)
        try material.identify(certificates: settings.certificateFile, key: settings.privateKeyFile)
        if let file = settings.clientCAFile {
            try material.trust(file)
            // Callers have no names that could be compared.
            material.verifyPeers(mustShow: settings.requireClientCertificate ?? true)
        }
        return material
    }

    private static func load(_ settings: TLSClientSettings) throws(TLSProblem) -> TLSMaterial {
        let file = settings.certificateFile ?? settings.caFile ?? "the system's certificate authorities"
        let material = try TLSMaterial(isServer: false, minimum: settings.minimumVersion, for: file)
        if let file = settings.caFile { try material.trust(file) } else { material.trustSystem() }
        if settings.verify != .none { material.verifyPeers(mustShow: false) }
        if let certificateFile = settings.certificateFile, let keyFile = settings.privateKeyFile {
            try material.identify(certificates: certificateFile, key: keyFile)
        }
        return material
    }

    /// A name with the dot of the root at its end is the one without, in certificates and where servers are asked for.
    private static func withoutDot(_ host: String) -> String { host.hasSuffix(".") ? String(host.dropLast()) : host }
}

extension IPAddressText {
    static func isAddress(_ text: String) -> Bool { self.isV4(text) || self.isV6(text) }
}
