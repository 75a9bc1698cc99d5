/// Writes records as YAML that Config itself reads back to the same values.
enum ConfigWriter {
    static func effective(_ records: [KeyRecord]) -> String {
        var page = Page(explains: false)
        page.write(records, indent: 0)
        return page.text
    }

    static func reference(_ records: [KeyRecord]) -> String {
        var page = Page(explains: true)
        page.write(records, indent: 0)
        return page.text
    }

    private struct Page {
        /// With the manual entries as comments, and blank elements for lists.
        let explains: Bool
        var text = ""
        /// Stands before the next line instead of its indent: `- ` begins a list element.
        private var bullet: String?

        init(explains: Bool) {
            self.explains = explains
        }

        mutating func write(_ records: [KeyRecord], indent: Int) {
            for record in records { self.write(record, indent) }
        }

        private mutating func write(_ record: KeyRecord, _ indent: Int) {
            if self.explains { self.explain(record, indent) }
            switch record.content {
            case .value(let value):
                self.line("\(record.key): \(ConfigWriter.scalar(value))", indent)
            case .unset:
                if self.explains { self.line("# \(record.key):", indent) }
            case .values(let values):
                let list = values.map(ConfigWriter.flowScalar).joined(separator: ", ")
                self.line("\(record.key): [\(list)]", indent)
            case .section(let records):
                self.line("\(record.key):", indent)
                self.write(records, indent: indent + 2)
            case .unsetSection(let blank):
                guard self.explains else { return }
                self.line("# \(record.key):", indent)
                self.comment(blank, indent, isElement: false)
            case .sections(let elements, let blank):
                self.write(record.key, elements, blank, indent)
            case .secret(.environment(let name)):
                self.line("\(record.key)_env: \(ConfigWriter.scalar(ScalarText(name, isText: true)))  # <set>", indent)
            case .secret(.file(let path)):
                self.line("\(record.key)_file: \(ConfigWriter.scalar(ScalarText(path, isText: true)))  # <set>", indent)
            case .secret(nil):
                guard self.explains else { return }
                self.line("# \(record.key)_env:", indent)
                self.line("# \(record.key)_file:", indent)
            }
        }

        private mutating func write(_ key: String, _ elements: [[KeyRecord]], _ blank: [KeyRecord], _ indent: Int) {
            guard !elements.isEmpty else {
                self.line("\(key): []", indent)
                // What an element looks like is shown as comments, because a blank one is seldom valid.
                if self.explains { self.comment(blank, indent, isElement: true) }
                return
            }
            self.line("\(key):", indent)
            for element in elements {
                if self.explains {
                    self.line("-", indent + 2)
                } else {
                    self.bullet = String(repeating: " ", count: indent + 2) + "- "
                }
                self.write(element, indent: indent + 4)
            }
        }

        /// A blank element or section, as comment lines.
        private mutating func comment(_ blank: [KeyRecord], _ indent: Int, isElement: Bool) {
            var inner = Page(explains: true)
            if isElement { inner.line("-", 2) }
            inner.write(blank, indent: isElement ? 4 : 2)
            let margin = String(repeating: " ", count: indent)
            for line in inner.text.split(separator: "\n") {
                self.text += "\(margin)# \(line)\n"
            }
        }

        /// The manual entry, in lines of at most 100 characters, and what is right.
        private mutating func explain(_ record: KeyRecord, _ indent: Int) {
            var line = ""
            for word in "\(record.manual) (\(record.expects))".split(separator: " ") {
                if !line.isEmpty, line.count + word.count >= 100 - indent {
                    self.line("# \(line)", indent)
                    line = ""
                }
                line += line.isEmpty ? String(word) : " \(word)"
            }
            self.line("# \(line)", indent)
        }

        private mutating func line(_ line: String, _ indent: Int) {
            self.text += (self.bullet ?? String(repeating: " ", count: indent)) + line + "\n"
            self.bullet = nil
        }
    }

    /// A value after `key: `.
    static func scalar(_ value: ScalarText) -> String {
        self.isPlain(value, inList: false) ? value.text : "\"\(value.text.unicodeScalars.map(escaped).joined())\""
    }

    /// A value inside `[ ]`.
    static func flowScalar(_ value: ScalarText) -> String {
        self.isPlain(value, inList: true) ? value.text : "\"\(value.text.unicodeScalars.map(escaped).joined())\""
    }

    /// Whether YAML reads the text without quotes as itself. Careful: quotes never hurt.
    private static func isPlain(_ value: ScalarText, inList: Bool) -> Bool {
        guard value.isText else { return true }
        let text = value.text.unicodeScalars
        guard let first = text.first, let last = text.last, first.isWord || first == "/", last != ":" else {
            return false
        }
        let inside: [Unicode.Scalar] = inList ? ["_", "-", ".", "/"] : ["_", "-", ".", "/", ":"]
        guard text.allSatisfy({ $0.isWord || inside.contains($0) }) else { return false }
        return !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(value.text.lowercased())
    }
}

extension Unicode.Scalar {
    /// A letter or digit of ASCII.
    var isWord: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9": true
        default: false
        }
    }
}
