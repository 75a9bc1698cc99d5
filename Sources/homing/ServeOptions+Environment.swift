import ArgumentParser
import Config
import Routing
import Transport

// Flags that are not given and have a variable: `HOMING_LISTEN=127.0.0.1:50051,[::1]:50051`.

extension ServeOptions {
    /// Takes from the environment what no flag says. Gives back what it says and cannot mean. Flags that are keys of the
    /// file too (--threads, --log-level, --no-access-log) have the key's variable.
    mutating func fill(from environment: SettingsEnvironment) -> [Problem] {
        var problems: [Problem] = []
        func value<Value>(_ name: String, _ read: (String) throws -> Value) -> Value? {
            guard let text = environment[name] else { return nil }
            do {
                return try read(text)
            } catch {
                let text = (error as? ValidationError)?.message ?? "\(error)"
                problems.append(Problem(path: "", line: nil, text: text, variable: name))
                return nil
            }
        }
        func list<Value>(_ name: String, _ read: (String) throws -> Value) -> [Value] {
            value(name) { text in
                try text.split(separator: ",").map { try read($0.filter { !$0.isWhitespace }) }
            } ?? []
        }

        self.configuration = self.file(environment: environment)
        if self.listeners.isEmpty { self.listeners = list("HOMING_LISTEN", Flags.endpoint) }
        if self.admin == nil { self.admin = value("HOMING_ADMIN", Self.adminSection) }
        if self.replicas.isEmpty { self.replicas = list("HOMING_REPLICA", Flags.endpoint) }
        if self.models.isEmpty { self.models = list("HOMING_MODEL") { $0 } }
        if self.policy == nil { self.policy = value("HOMING_POLICY") { try Flags.name($0) } }
        if self.tlsCertificate == nil, self.tlsKey == nil {
            self.tlsCertificate = environment["HOMING_TLS_CERTIFICATE"]
            self.tlsKey = environment["HOMING_TLS_KEY"]
            if (self.tlsCertificate == nil) != (self.tlsKey == nil) {
                let alone = self.tlsKey == nil ? "HOMING_TLS_CERTIFICATE" : "HOMING_TLS_KEY"
                let text = "HOMING_TLS_CERTIFICATE and HOMING_TLS_KEY need each other"
                problems.append(Problem(path: "", line: nil, text: text, variable: alone))
            }
        }
        return problems
    }

    /// The configuration file: what the flag says, else its variable; nil when neither names one.
    func file(environment: SettingsEnvironment = .process) -> String? {
        self.configuration ?? environment["HOMING_CONFIG"]
    }

    /// The variables that flags come from, by flag, of those that may be repeated.
    func variables(in environment: SettingsEnvironment) -> [String: String] {
        let flags = [
            ("--listen", "HOMING_LISTEN", self.listeners.isEmpty),
            ("--replica", "HOMING_REPLICA", self.replicas.isEmpty), ("--model", "HOMING_MODEL", self.models.isEmpty),
        ]
        let taken = flags.filter { $0.2 && environment[$0.1] != nil }
        return [String: String](uniqueKeysWithValues: taken.map { ($0.0, $0.1) })
    }

    /// What --admin means.
    @Sendable static func adminSection(_ text: String) throws -> AdminSection {
        AdminSection(address: text.isEmpty || text == "off" ? nil : try Flags.endpoint(text))
    }
}
