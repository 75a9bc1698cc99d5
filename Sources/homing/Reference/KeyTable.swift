import Config

/// Every key of the configuration file, from the code that reads it: for programs as JSON, for people as the tables of
/// the page Configuration.
struct KeyTable {
    /// A section, or the elements of a list of sections.
    struct Section {
        /// `clusters[].routing`; empty for the top of the file.
        let path: String
        let manual: String
        /// It may be left out, which means something.
        let isOptional: Bool
        let keys: [Key]
    }

    /// One key with a value of its own.
    struct Key: Encodable {
        let path: String
        /// The last part of the path; a secret has two: `token_env, token_file`.
        let name: String
        /// What is right: kind, bounds, choices.
        let expects: String
        /// What the number counts, by the end of the key's name. Nil where the value has no unit.
        let unit: String?
        /// As it stands in a file. Nil when there is none.
        let defaultValue: String?
        let isRequired: Bool
        let manual: String
        let variables: [String]
        /// Whether a reload changes it; false: it needs a restart. Nil where nobody can tell.
        var isLive: Bool?
    }

    private static let live = LiveKeys()

    /// From the top of the file, in the order in which they are read.
    private(set) var sections: [Section] = []

    init() {
        self.add(ConfigText.records(of: ServeSettings()), path: "", manual: "The top of the file.", isOptional: false)
    }

    /// One list of all keys.
    func json() throws -> String { try JSONText.line(self.sections.flatMap(\.keys)) }

    private mutating func add(_ records: [KeyRecord], path: String, manual: String, isOptional: Bool) {
        var keys = records.compactMap { Self.key($0, in: path) }
        // What a key alone cannot be (another type of source needs other keys), its section tells.
        let answers = Set(keys.compactMap(\.isLive))
        if answers.count == 1 { for index in keys.indices { keys[index].isLive = answers.first } }
        self.sections.append(Section(path: path, manual: manual, isOptional: isOptional, keys: keys))
        for record in records {
            let inner = path.isEmpty ? record.key : "\(path).\(record.key)"
            switch record.content {
            case .section(let records): self.add(records, path: inner, manual: record.manual, isOptional: false)
            case .unsetSection(let blank): self.add(blank, path: inner, manual: record.manual, isOptional: true)
            case .sections(_, let blank): self.add(blank, path: "\(inner)[]", manual: record.manual, isOptional: false)
            case .value, .unset, .values, .secret: ()
            }
        }
    }

    private static func key(_ record: KeyRecord, in section: String) -> Key? {
        var names = [record.key]
        var defaultValue: String?
        var expects = record.expects
        switch record.content {
        case .section, .unsetSection, .sections: return nil
        case .value(let value): defaultValue = value.text.isEmpty ? "\"\"" : value.text
        case .values(let values): defaultValue = "[" + values.map(\.text).joined(separator: ", ") + "]"
        case .unset: ()
        case .secret: names = ["\(record.key)_env", "\(record.key)_file"]
        }
        let isRequired = expects.hasSuffix("; required")
        if isRequired {
            expects.removeLast("; required".count)
            defaultValue = nil
        }
        let paths = names.map { section.isEmpty ? $0 : "\(section).\($0)" }
        return Key(
            path: paths.joined(separator: ", "), name: names.joined(separator: ", "), expects: expects,
            unit: self.unit(of: record.key), defaultValue: defaultValue, isRequired: isRequired, manual: record.manual,
            variables: paths.map { SettingsEnvironment.keys.variable(of: $0) },
            isLive: self.live.isLive(paths[0], choices: self.choices(in: expects)))
    }

    /// The names that `one of a, b, c` lists.
    private static func choices(in expects: String) -> [String] {
        guard expects.hasPrefix("one of ") else { return [] }
        return expects.dropFirst("one of ".count).split(separator: ", ").map(String.init)
    }

    /// The unit at the end of a key's name, in words.
    static func unit(of key: String) -> String? {
        let units = [
            ("_tokens_per_second", "tokens per second"), ("_per_second", "per second"), ("_ms", "milliseconds"),
            ("_seconds", "seconds"), ("_bytes", "bytes"), ("_tokens", "tokens"), ("_blocks", "blocks"),
            ("_share", "share of 1"), ("_factor", "times"),
        ]
        return units.first { key.hasSuffix($0.0) }?.1
    }
}

extension KeyTable {
    /// The tables of the page, in Markdown: a heading and a table for each section.
    var markdown: String {
        self.sections.map { section in
            let title = section.path.isEmpty ? "The top of the file" : "`\(section.path)`"
            let manual = section.path.isEmpty ? [] : [section.manual + (section.isOptional ? " May be left out." : "")]
            let head = ["| key | value | default | reload | what it does |", "|---|---|---|---|---|"]
            let rows = section.keys.map(Self.row)
            return
                ([["### \(title)"], manual, section.keys.isEmpty ? [] : [(head + rows).joined(separator: "\n")]]
                .flatMap { $0 }).joined(separator: "\n\n")
        }.joined(separator: "\n\n")
    }

    private static func row(_ key: Key) -> String {
        let names = key.name.split(separator: ", ").map { "`\($0)`" }.joined(separator: ", ")
        let variables = key.variables.map { "`\($0)`" }.joined(separator: ", ")
        let unit = key.unit.map { "; \($0)" } ?? ""
        let standard = key.isRequired ? "required" : key.defaultValue.map { "`\($0)`" } ?? "none"
        let reload = key.isLive.map { $0 ? "yes" : "restart" } ?? ""
        let cells = [names, key.expects + unit, standard, reload, "\(key.manual) \(variables)"]
        return "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
}
