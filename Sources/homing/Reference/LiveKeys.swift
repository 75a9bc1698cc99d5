import Config

/// Which keys a reload changes and which wait for a restart: found out by trying each with the code that reloads.
struct LiveKeys {
    /// One of everything, so that every key has a place.
    private static let everything = """
        listeners:
        - address: 127.0.0.1:50051
          tls: { certificate_file: /c, private_key_file: /k, client_ca_file: /a }
          auth: { tokens: [{ token_env: TOKEN }] }
        admin: { auth: { tokens: [{ token_env: TOKEN }] } }
        clusters:
        - name: first
          models: [one]
          replicas: [127.0.0.1:50052]
          tls: { certificate_file: /c, private_key_file: /k }
          auth: { token_env: TOKEN }
          discovery: [{ type: dns, address: h:1 }]
        - { name: second, models: [two], replicas: [127.0.0.1:50053] }
        """

    /// Values of every form, of which a key takes the first that is right and changes something.
    private static let values = [
        "3", "7", "20", "2000", "30000", "400000", "0", "0.25", "1.75", "true", "false", "off", "127.0.0.9:9009",
        "10.0.0.9:53", "0640", "second", "words", "/other",
    ]

    private static var secrets: SecretSources { SecretSources(environment: { $0 }, file: { $0 }) }

    private let current: ServeSettings

    init() { self.current = Self.settings([:]) ?? ServeSettings() }

    /// True for a key that a reload changes, false for one that needs a restart. Nil: no other value could be made up.
    /// - Parameter path: with `[]` for the first element.
    func isLive(_ path: String, choices: [String]) -> Bool? {
        let place = path.replacing("[]", with: "[0]")
        for text in choices + Self.values {
            let override = KeyVariables.Override(variable: "", text: text)
            guard let wanted = Self.settings([place: override]), wanted != self.current,
                wanted.contradictions(lines: [:]).isEmpty
            else { continue }
            return SettingsMerge(self.current, wanted, mayLogToFile: true).restartRequired.isEmpty
        }
        return nil
    }

    /// Nil when they have a problem.
    private static func settings(_ overrides: [String: KeyVariables.Override]) -> ServeSettings? {
        var settings = ServeSettings()
        let findings = ConfigText.read(
            self.everything, into: &settings, secrets: self.secrets, overrides: overrides)
        return findings.problems.isEmpty ? settings : nil
    }
}
