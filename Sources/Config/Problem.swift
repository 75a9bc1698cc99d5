/// One thing that is wrong in a configuration: where, and what would be right. A value; free to copy and compare.
package struct Problem: Hashable, Sendable, CustomStringConvertible {
    /// The place in the configuration, such as `clusters[1].routing.policy`. Empty for the whole file.
    package let path: String
    /// Line of the file, starting from 1. Nil when the setting did not come from a line of it.
    package let line: Int?
    /// What is wrong and what would be right, in one line without a full stop.
    package let text: String
    /// The environment variable that the setting came from; nil when it came from the file or from nowhere.
    package let variable: String?

    package init(path: String, line: Int?, text: String, variable: String? = nil) {
        self.path = path
        self.line = variable == nil ? line : nil
        self.text = text
        self.variable = variable
    }

    /// `line 12: clusters[1].routing.polcy: unknown key; did you mean "policy"?`
    package var description: String {
        let line = self.line.map { "line \($0): " } ?? ""
        return line + self.place
    }

    /// `homing.yaml:12: clusters[1].routing.polcy: …`, the form that editors and terminals make clickable.
    /// What came from an environment variable is said of that.
    package func description(inFile name: String) -> String {
        if self.variable != nil { return self.place }
        let line = self.line.map { ":\($0)" } ?? ""
        return "\(name)\(line): \(self.place)"
    }

    private var place: String {
        if let variable { return "\(variable): \(self.text)" }
        return self.path.isEmpty ? self.text : "\(self.path): \(self.text)"
    }
}

/// Everything that is wrong with a configuration, thrown at once. Never empty.
package struct ConfigProblems: Error, Hashable, Sendable, CustomStringConvertible {
    package let problems: [Problem]
    /// Name of the file that was read, for the report. Nil when there was none.
    package let file: String?

    package init(_ problems: [Problem], file: String?) {
        self.problems = problems
        self.file = file
    }

    /// One line per problem.
    package var description: String {
        self.problems
            .map { problem in self.file.map { problem.description(inFile: $0) } ?? problem.description }
            .joined(separator: "\n")
    }
}

extension [Problem] {
    /// From the first line of the file to the last, then those without a line; otherwise as they were.
    package func inOrderOfLines() -> [Problem] {
        self.enumerated()
            .sorted { ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset) }
            .map(\.element)
    }
}

/// Text from outside as it may stand in a message: in quotes, control characters escaped, cut after 60 characters.
package func quoted(_ text: some StringProtocol) -> String {
    let limit = 60
    let shown = String(text.unicodeScalars.prefix(limit).map { escaped($0) }.joined())
    return text.unicodeScalars.count > limit ? "\"\(shown)…\"" : "\"\(shown)\""
}

/// The scalar as it stands between double quotes of YAML.
func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\"": "\\\""
    case "\\": "\\\\"
    case "\n": "\\n"
    case "\t": "\\t"
    case "\r": "\\r"
    default:
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
            "\\U" + hexadecimal(scalar.value)
        default:
            String(scalar)
        }
    }
}

private func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: 8 - digits.count) + digits
}
