// Values that do not stand in the file, but in the environment or in files of their own.

extension SectionReader {
    /// A secret, under the two keys `<key>_env` (name of an environment variable) and `<key>_file` (path of a file).
    /// The secret under `<key>` itself is a problem of its own.
    package func secret(_ key: String, _ variable: inout Secret?, _ manual: String) {
        var fromEnvironment = self.ask("\(key)_env")
        var fromFile = self.ask("\(key)_file")
        // The one that a variable names replaces the file's.
        if case .present(_, let reading) = fromEnvironment, case .present = fromFile {
            let path = join(self.path, key)
            switch (reading.override(of: "\(path)_env"), reading.override(of: "\(path)_file")) {
            case (.some, .none): fromFile = .absent(reading)
            case (.none, .some): fromEnvironment = .absent(reading)
            case (.some, .some), (.none, .none): ()
            }
        }
        switch (fromEnvironment, fromFile) {
        case (.describe, _), (_, .describe):
            self.record(key, "the name of an environment variable, or a file", manual, .secret(variable?.source))
        case (.absent(let reading), .absent):
            self.reportOpenSecret(key, reading)
        case (.present(let entry, let reading), .absent):
            self.look(up: entry, { .environment($0) }, &variable, reading)
            self.reportOpenSecret(key, reading)
        case (.absent, .present(let entry, let reading)):
            self.look(up: entry, { .file($0) }, &variable, reading)
            self.reportOpenSecret(key, reading)
        case (.present, .present(let entry, let reading)):
            reading.report(
                join(self.path, "\(key)_file"), entry.line, "\(key)_env and \(key)_file exclude each other; keep one")
            self.reportOpenSecret(key, reading)
        }
    }

    private func look(
        up entry: SectionValues.Entry, _ source: (String) -> Secret.Source, _ variable: inout Secret?,
        _ reading: Reading
    ) {
        let path = join(self.path, entry.key)
        let form = ValueForm<String>.string(emptyAllowed: false)
        guard let name = self.parse(entry.value, as: form, path, entry.line, reading) else { return }
        if case .environment(let variable) = source(name) { reading.secretVariables.insert(variable) }
        do {
            variable = try reading.secrets.look(up: source(name))
        } catch {
            reading.report(path, entry.line, error.text)
        }
    }

    /// The message must not show the value.
    private func reportOpenSecret(_ key: String, _ reading: Reading) {
        if let override = reading.override(of: join(self.path, key)) {
            reading.report(
                join(self.path, key), nil,
                "is a secret; set \(override.variable)_ENV to the name of the variable that holds it, or "
                    + "\(override.variable)_FILE to a path")
            return
        }
        guard case .read(let values, _) = self.purpose, let entry = values[key] else { return }
        self.knownKeys.append(key)
        reading.report(
            join(self.path, key), entry.line,
            "a secret does not stand in this file; set \(key)_env to an environment variable or \(key)_file to a path")
    }
}
