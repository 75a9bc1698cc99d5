/// A value that must not be seen: it comes from the environment or from a file, never from the configuration file
/// itself, and is printed as `<set>` everywhere.
package struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Where a secret comes from. This may be shown.
    package enum Source: Hashable, Sendable {
        /// Name of an environment variable: key `…_env`.
        case environment(String)
        /// Path of a file whose text, without the line end, is the secret: key `…_file`.
        case file(String)
    }

    package let source: Source
    private let value: String

    package init(_ value: String, from source: Source) {
        self.value = value
        self.source = source
    }

    /// The secret itself. Whoever calls this must not print or log it.
    package func reveal() -> String { self.value }

    package var description: String { "<set>" }
    package var debugDescription: String { "<set>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where secrets are looked up. Given to the reading, so that tests need neither an environment nor files.
package struct SecretSources {
    package let environment: (String) -> String?
    /// Throws anything when the file cannot be read; the error is not shown.
    package let file: (String) throws -> String

    package init(environment: @escaping (String) -> String?, file: @escaping (String) throws -> String) {
        self.environment = environment
        self.file = file
    }

    /// No secret anywhere.
    package static var none: Self {
        Self(environment: { _ in nil }, file: { path in throw SecretProblem(text: "no file \(quoted(path))") })
    }

    /// The secret, or the text of what is wrong.
    package func look(up source: Secret.Source) throws(SecretProblem) -> Secret {
        switch source {
        case .environment(let name):
            guard let value = self.environment(name), !value.isEmpty else {
                throw SecretProblem(text: "environment variable \(quoted(name)) is not set")
            }
            return Secret(value, from: source)
        case .file(let path):
            guard let text = try? self.file(path) else {
                throw SecretProblem(text: "file \(quoted(path)) cannot be read")
            }
            let value = String(text.prefix { !$0.isNewline })
            guard !value.isEmpty else { throw SecretProblem(text: "file \(quoted(path)) is empty") }
            return Secret(value, from: source)
        }
    }
}

/// Why there is no secret where it should come from. The text never holds any of it.
package struct SecretProblem: Error {
    package let text: String

    package init(text: String) { self.text = text }
}
