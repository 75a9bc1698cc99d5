import Config
import Foundation

/// What the environment says to `homing serve` and `homing check-config`: a value for every key (`HOMING_` and the key's
/// path), and for the flags that are no keys. A value; tests make their own.
struct SettingsEnvironment {
    /// The variables of the keys of the file.
    static let keys = KeyVariables(of: ServeSettings.self, prefix: "HOMING_")

    /// Variables of flags, which count as if the flag had been given, and of the commands that look at a running homing.
    static let flags = [
        "HOMING_CONFIG", "HOMING_LISTEN", "HOMING_ADMIN", "HOMING_REPLICA", "HOMING_POLICY", "HOMING_MODEL",
        "HOMING_TLS_CERTIFICATE", "HOMING_TLS_KEY", "HOMING_ADDRESS", "HOMING_ADMIN_TOKEN", "HOMING_ADMIN_TOKEN_FILE",
    ]

    private let variables: [String: String]
    /// What it says of keys, by path.
    let overrides: [String: KeyVariables.Override]
    private let others: [String]

    init(_ variables: [String: String]) {
        self.variables = variables
        (self.overrides, self.others) = Self.keys.overrides(in: variables)
    }

    /// This process's own.
    static var process: Self { Self(ProcessInfo.processInfo.environment) }

    /// The text of a variable; nil when it is not set, or empty.
    subscript(name: String) -> String? {
        self.variables[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Variables that mean nothing, although they begin as ours do.
    /// - Parameter secretVariables: names that keys of the file use for secrets; whatever they are called, they are known.
    /// - Returns: a problem for each that looks as if it should mean something, and a note for each of the others.
    func unknown(besides secretVariables: Set<String>) -> (problems: [Problem], notes: [String]) {
        var problems: [Problem] = []
        var notes: [String] = []
        for name in self.others {
            let isKnown =
                Self.flags.contains(name) || secretVariables.contains(name) || Predecessor.names.contains(name)
            guard !isKnown, !Self.isOfKubernetes(name, self.variables[name] ?? "") else { continue }
            if let mistake = Self.keys.mistake(in: name, besides: Self.flags) {
                problems.append(Problem(path: "", line: nil, text: mistake, variable: name))
            } else {
                notes.append("\(name) is set, and means nothing to homing")
            }
        }
        return (problems, notes)
    }

    /// Whether this is what Kubernetes puts into every container for a service that is called homing, or homing-something.
    private static func isOfKubernetes(_ name: String, _ value: String) -> Bool {
        if name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT") { return true }
        return (name.hasSuffix("_PORT") || name.contains("_PORT_")) && (value.contains("://") || name.contains("_TCP"))
    }
}
