import Yams

/// From the text of a file to settings, and back. Knows no section by name.
package enum ConfigText {
    /// What a reading found beside the settings.
    package struct Findings {
        /// In the order of the file's lines. Empty when all is well.
        package var problems: [Problem]
        /// Line of every key and list element in the file, by path (`clusters[1].name`), for problems that are found
        /// later by comparing settings.
        package var lines: [String: Int]
        /// Variables that keys got their values from, by the keys' paths.
        package var variables: [String: String] = [:]
        /// Environment variables that keys name as the places of secrets.
        package var secretVariables: Set<String> = []

        /// A problem that was found by comparing settings, with the variable that its key came from.
        package func named(_ problem: Problem) -> Problem {
            guard let variable = self.variables[problem.path] else { return problem }
            return Problem(path: problem.path, line: nil, text: problem.text, variable: variable)
        }
    }

    /// Reads the text into `settings`, whose values are the defaults. Keys with problems keep their defaults, so the
    /// settings may be used only when there are no problems. An empty text is all defaults.
    /// - Parameters:
    ///   - overrides: values that count instead of the text's, by path, as `KeyVariables` finds them.
    ///   - listKey: the key that a list at the top of the file belongs to; nil when there must not be one.
    package static func read<Settings: ConfigSection>(
        _ text: String, into settings: inout Settings, secrets: SecretSources,
        overrides: [String: KeyVariables.Override] = [:], listKey: String? = nil
    ) -> Findings {
        let document: YamlDocument
        do {
            document = try YamlDocument(text: text)
        } catch {
            return Findings(problems: [Problem(path: "", line: error.line, text: error.text)], lines: [:])
        }
        let reading = Reading(secrets: secrets, overrides: overrides)
        let values: SectionValues
        switch (document.root, listKey) {
        case (.none, _): values = SectionValues()
        case (.some(let root), _) where root.isNull: values = SectionValues()
        case (.some(.mapping(let mapping)), _): values = SectionValues(mapping, path: "", reading: reading)
        case (.some(let root), .some(let key)) where root.sequence != nil:
            values = SectionValues(key: key, value: root, line: root.line)
        case (.some(let root), _):
            let wanted = listKey == nil ? "sections with keys" : "a list"
            let text = "expected \(wanted) at the top of the file, found \(root.found)"
            return Findings(problems: [Problem(path: "", line: root.line, text: text)], lines: [:])
        }
        let section = SectionReader(path: "", line: nil, values: values, reading: reading)
        settings.read(from: section)
        section.finish()
        reading.reportUnusedOverrides()
        return Findings(
            problems: reading.problems.inOrderOfLines(), lines: reading.lines,
            variables: overrides.mapValues(\.variable), secretVariables: reading.secretVariables)
    }

    /// The same from bytes, which must be UTF-8.
    package static func read<Settings: ConfigSection>(
        bytes: [UInt8], into settings: inout Settings, secrets: SecretSources,
        overrides: [String: KeyVariables.Override] = [:], listKey: String? = nil
    ) -> Findings {
        guard bytes.count <= YamlDocument.largestFile else {
            let text = "the file is larger than \(YamlDocument.largestFile) bytes"
            return Findings(problems: [Problem(path: "", line: nil, text: text)], lines: [:])
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return Findings(problems: [Problem(path: "", line: nil, text: "the file is not UTF-8 text")], lines: [:])
        }
        return self.read(text, into: &settings, secrets: secrets, overrides: overrides, listKey: listKey)
    }

    /// A file that says what these settings are, every key of it; reading it gives the same settings. Secrets are shown
    /// as the place they come from and `<set>`.
    package static func effective<Settings: ConfigSection>(_ settings: Settings) -> String {
        ConfigWriter.effective(self.records(of: settings))
    }

    /// A file with every key, its default and its manual entry, which is valid itself.
    package static func reference<Settings: ConfigSection>(of type: Settings.Type) -> String {
        ConfigWriter.reference(self.records(of: Settings()))
    }

    /// Every key with its manual entry and its value in these settings.
    package static func records<Settings: ConfigSection>(of settings: Settings) -> [KeyRecord] {
        var settings = settings
        let section = SectionReader(describing: "")
        settings.read(from: section)
        return section.records
    }

    /// Most bytes of a file that is worth reading.
    package static var largestFile: Int { YamlDocument.largestFile }
}
