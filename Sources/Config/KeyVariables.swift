/// The environment variables that stand for the keys of a configuration, and what one environment says with them.
///
///     proxy.drain_timeout_ms       HOMING_PROXY_DRAIN_TIMEOUT_MS
///     clusters[0].routing.policy   HOMING_CLUSTERS_0_ROUTING_POLICY
///
/// A variable sets a value, or with commas a list of values; never a section nor a list of sections, but keys of the
/// elements that the file has. An empty variable says nothing, as a key without a value does. A value; free to copy.
package struct KeyVariables: Sendable {
    /// `HOMING_`, before every name.
    package let prefix: String
    /// Paths of keys by the names that variables have, in which every index is `#`: `CLUSTERS_#_NAME` and
    /// `clusters[].name`.
    private let paths: [String: String]
    /// Names of sections and of lists of sections in the same way, which no variable sets.
    private let sections: Set<String>
    private let sorted: [String]

    /// One value that an environment sets.
    package struct Override: Sendable, Hashable {
        /// Name of the variable.
        package let variable: String
        package let text: String

        package init(variable: String, text: String) {
            self.variable = variable
            self.text = text
        }
    }

    /// Of the settings that a type has. Two keys whose variables would have one name are our mistake, and trap.
    package init<Settings: ConfigSection>(of type: Settings.Type, prefix: String) {
        self.prefix = prefix
        var collected = Names()
        collected.add(ConfigText.records(of: Settings()), path: "", name: "")
        self.paths = collected.paths
        self.sections = collected.sections
        self.sorted = collected.paths.keys.sorted()
    }

    /// The variable of a key: `clusters[].routing.policy` gives `HOMING_CLUSTERS_0_ROUTING_POLICY`.
    package func variable(of path: String) -> String {
        self.prefix + self.name(of: path.replacing("[]", with: "[0]"))
    }

    /// What an environment says, by path, and the names of variables that begin with the prefix and stand for no key.
    package func overrides(in environment: [String: String]) -> (byPath: [String: Override], others: [String]) {
        var byPath: [String: Override] = [:]
        var others: [String] = []
        for (variable, text) in environment where variable.hasPrefix(self.prefix) {
            let (pattern, indices) = Self.pattern(of: variable.dropFirst(self.prefix.count))
            if let path = self.paths[pattern] {
                guard !text.isEmpty else { continue }
                byPath[Self.filled(path, indices)] = Override(variable: variable, text: text)
            } else {
                others.append(variable)
            }
        }
        return (byPath, others.sorted())
    }

    /// What is wrong with a variable that stands for no key, when it looks as if it should; nil when it does not.
    /// - Parameter known: names of other variables that mean something, with the prefix.
    package func mistake(in variable: String, besides known: [String]) -> String? {
        let (pattern, indices) = Self.pattern(of: variable.dropFirst(self.prefix.count))
        if self.sections.contains(pattern) {
            let key = self.sorted.first { $0.hasPrefix("\(pattern)_") } ?? pattern
            return "stands for a section, and only keys have variables, such as \(self.shown(key, indices))"
        }
        let names = self.sorted + known.map { String($0.dropFirst(self.prefix.count)) }
        // With two underscores between the levels, as others write it, it is the same to a reader.
        let word = pattern.replacing("__", with: "_").lowercased()
        if let meant = Spelling.nearest(to: word, among: names.map { $0.lowercased() }) {
            return "no such variable; did you mean \(self.shown(meant.uppercased(), indices))?"
        }
        let top = self.sections.filter { !$0.contains("#") && pattern.hasPrefix("\($0)_") }.max { $0.count < $1.count }
        guard let top else { return nil }
        return "no such variable: \(top.lowercased()) has no such key"
    }

    /// `proxy.drain_timeout_ms` as `PROXY_DRAIN_TIMEOUT_MS`, `clusters[1].name` as `CLUSTERS_1_NAME`.
    private func name(of path: String) -> String {
        path.uppercased().replacing("[", with: "_").replacing("]", with: "").replacing(".", with: "_")
    }

    private func shown(_ pattern: String, _ indices: [Int]) -> String {
        self.prefix + Self.filled(pattern, indices, mark: "#")
    }

    /// The name with `#` for each index, and the indices.
    private static func pattern(of name: Substring) -> (pattern: String, indices: [Int]) {
        var indices: [Int] = []
        let words = name.split(separator: "_", omittingEmptySubsequences: false).map { word in
            guard let index = Int(word), String(index) == word, index >= 0 else { return String(word) }
            indices.append(index)
            return "#"
        }
        return (words.joined(separator: "_"), indices)
    }

    /// The indices in the places of `[]`, or of the mark; 0 where there are too few.
    private static func filled(_ path: String, _ indices: [Int], mark: Character = "]") -> String {
        var left = indices[...]
        var filled = ""
        for character in path {
            guard character == mark else {
                filled.append(character)
                continue
            }
            filled += String(left.popFirst() ?? 0)
            if mark == "]" { filled.append("]") }
        }
        return filled
    }

    private struct Names {
        var paths: [String: String] = [:]
        var sections: Set<String> = []

        mutating func add(_ records: [KeyRecord], path: String, name: String) {
            for record in records {
                let path = join(path, record.key)
                let name = name.isEmpty ? record.key.uppercased() : "\(name)_\(record.key.uppercased())"
                switch record.content {
                case .value, .unset, .values: self.add(path, name)
                case .section(let inner), .unsetSection(let inner):
                    self.sections.insert(name)
                    self.add(inner, path: path, name: name)
                case .sections(_, let blank):
                    self.sections.formUnion([name, "\(name)_#"])
                    self.add(blank, path: "\(path)[]", name: "\(name)_#")
                case .secret:
                    // The one without an ending is known, so that its value meets the same words as in the file.
                    for ending in ["", "_env", "_file"] { self.add(path + ending, name + ending.uppercased()) }
                }
            }
        }

        private mutating func add(_ path: String, _ name: String) {
            precondition(self.paths.updateValue(path, forKey: name) == nil, "two keys have the variable \(name)")
        }
    }
}
