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
    }

    /// Reads the text into `settings`, whose values are the defaults. Keys with problems keep their defaults, so the
    /// settings may be used only when there are no problems. An empty text is all defaults.
    /// - Parameter listKey: the key that a list at the top of the file belongs to; nil when there must not be one.
    package static func read<Settings: ConfigSection>(
        _ text: String, into settings: inout Settings, secrets: SecretSources, listKey: String? = nil
    ) -> Findings {
        let document: YamlDocument
        do {
            document = try YamlDocument(text: text)
        } catch {
            return Findings(problems: [Problem(path: "", line: error.line, text: error.text)], lines: [:])
        }
        guard let root = document.root, !root.isNull else { return Findings(problems: [], lines: [:]) }
        let reading = Reading(secrets: secrets)
        let values: SectionValues
        switch (root, listKey) {
        case (.mapping(let mapping), _): values = SectionValues(mapping, path: "", reading: reading)
        case (.sequence, .some(let key)): values = SectionValues(key: key, value: root, line: root.line)
        case (.sequence, .none), (.scalar, _), (.alias, _):
            let wanted = listKey == nil ? "sections with keys" : "a list"
            let text = "expected \(wanted) at the top of the file, found \(root.found)"
            return Findings(problems: [Problem(path: "", line: root.line, text: text)], lines: [:])
        }
        let section = SectionReader(path: "", line: nil, values: values, reading: reading)
        settings.read(from: section)
        section.finish()
        return Findings(problems: reading.problems.inOrderOfLines(), lines: reading.lines)
    }

    /// The same from bytes, which must be UTF-8.
    package static func read<Settings: ConfigSection>(
        bytes: [UInt8], into settings: inout Settings, secrets: SecretSources, listKey: String? = nil
    ) -> Findings {
        guard bytes.count <= YamlDocument.largestFile else {
            let text = "the file is larger than \(YamlDocument.largestFile) bytes"
            return Findings(problems: [Problem(path: "", line: nil, text: text)], lines: [:])
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return Findings(problems: [Problem(path: "", line: nil, text: "the file is not UTF-8 text")], lines: [:])
        }
        return self.read(text, into: &settings, secrets: secrets, listKey: listKey)
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
