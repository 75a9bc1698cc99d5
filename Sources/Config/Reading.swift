import Yams

/// What all sections of one file share while it is read. Lives for one reading, in one task.
final class Reading {
    let secrets: SecretSources
    private(set) var problems: [Problem] = []
    /// Line of every key and list element that was met, by path.
    private(set) var lines: [String: Int] = [:]
    /// Environment variables that keys name as the places of secrets.
    var secretVariables: Set<String> = []
    /// What the environment says instead of the file, by path.
    private let overrides: [String: KeyVariables.Override]
    private var used: Set<String> = []
    /// Paths of the list elements that there are.
    private var elements: Set<String> = []
    private var elementsLeft = Reading.mostElements
    private var mergesLeft = Reading.mostMerges
    private var reportedTooMany = false

    /// Most problems that are kept; whoever has more corrects these first.
    static let mostProblems = 100
    /// Most list elements of one file, counted as often as aliases repeat them.
    static let mostElements = 100_000
    /// Most mappings that merge keys may bring in.
    static let mostMerges = 10_000

    init(secrets: SecretSources, overrides: [String: KeyVariables.Override] = [:]) {
        self.secrets = secrets
        self.overrides = overrides
    }

    /// What the environment says of this key.
    func override(of path: String) -> KeyVariables.Override? {
        guard !self.overrides.isEmpty, let override = self.overrides[path] else { return nil }
        self.used.insert(path)
        return override
    }

    /// Whether the environment says anything of keys inside this section.
    func overridesInside(_ path: String) -> Bool {
        !self.overrides.isEmpty && self.overrides.keys.contains { $0.hasPrefix("\(path).") }
    }

    func note(element path: String) { self.elements.insert(path) }

    /// Reports variables of list elements that are not there.
    func reportUnusedOverrides() {
        for (path, override) in self.overrides.sorted(by: { $0.key < $1.key }) where !self.used.contains(path) {
            var end = path.startIndex
            var missing = path
            while let bracket = path[end...].firstIndex(of: "]") {
                end = path.index(after: bracket)
                missing = String(path[..<end])
                if !self.elements.contains(missing) { break }
            }
            self.report(path, nil, "there is no \(missing) whose setting \(override.variable) could change")
        }
    }

    /// Nobody needs to look for more problems.
    var isFull: Bool { self.problems.count > Self.mostProblems }

    func report(_ path: String, _ line: Int?, _ text: String) {
        if self.problems.count < Self.mostProblems {
            // An element of a list is wrong where the list is.
            let key = path.last == "]" ? String(path[..<(path.lastIndex(of: "[") ?? path.endIndex)]) : path
            let variable = self.overrides[path]?.variable ?? self.overrides[key]?.variable
            self.problems.append(Problem(path: path, line: line, text: text, variable: variable))
        } else if self.problems.count == Self.mostProblems {
            self.problems.append(Problem(path: "", line: nil, text: "there are more problems than these"))
        }
    }

    func note(line: Int?, of path: String) {
        self.lines[path] = line
    }

    /// Takes one element from what a file may have; false when there is none left, which is reported once.
    func takeElement(_ path: String, _ line: Int?) -> Bool {
        guard self.elementsLeft > 0 else {
            self.reportTooMany(path, line, "more than \(Self.mostElements) list elements in one file")
            return false
        }
        self.elementsLeft -= 1
        return true
    }

    /// The same for a mapping that a merge key brings in.
    func takeMerge(_ path: String, _ line: Int?) -> Bool {
        guard self.mergesLeft > 0 else {
            self.reportTooMany(path, line, "more than \(Self.mostMerges) merged sections in one file")
            return false
        }
        self.mergesLeft -= 1
        return true
    }

    private func reportTooMany(_ path: String, _ line: Int?, _ text: String) {
        guard !self.reportedTooMany else { return }
        self.reportedTooMany = true
        self.report(path, line, text)
    }
}

/// One section of the file: its values by key, with merge keys resolved.
struct SectionValues {
    struct Entry {
        let key: String
        let line: Int?
        let value: Node
    }

    /// In the order of the file; what is merged comes last.
    private(set) var entries: [Entry] = []
    private var indexByKey: [String: Int] = [:]

    /// A section that says nothing.
    init() {}

    /// A section that consists of this one value.
    init(key: String, value: Node, line: Int?) {
        self.entries = [Entry(key: key, line: line, value: value)]
        self.indexByKey = [key: 0]
    }

    /// Reports keys that are not text, keys that stand twice, and merge keys that merge no section.
    init(_ mapping: Node.Mapping, path: String, reading: Reading) {
        var merged: [(value: Node, line: Int?)] = []
        for (key, value) in mapping {
            let line = key.mark?.line
            guard let name = key.scalar?.string else {
                reading.report(path, line, "a key must be text")
                continue
            }
            if let repeated = YamlDocument.repeatedKey(name) {
                reading.report(
                    join(path, repeated), line, "the key stands more than once in its section; keep one of them")
                continue
            }
            guard name != "<<" else {
                merged.append((value, line))
                continue
            }
            self.add(Entry(key: name, line: line, value: value))
        }
        for (value, line) in merged { self.merge(value, line, path, reading) }
    }

    subscript(key: String) -> Entry? {
        self.indexByKey[key].map { self.entries[$0] }
    }

    /// Keys that are there already stay as they are.
    private mutating func merge(_ value: Node, _ line: Int?, _ path: String, _ reading: Reading) {
        switch value {
        case .mapping(let mapping):
            guard reading.takeMerge(path, line) else { return }
            for entry in SectionValues(mapping, path: path, reading: reading).entries where self[entry.key] == nil {
                self.add(entry)
            }
        case .sequence(let sequence):
            for element in sequence {
                guard element.mapping != nil else {
                    reading.report(join(path, "<<"), line, "expected a section or a list of sections to merge")
                    return
                }
                self.merge(element, line, path, reading)
            }
        case .scalar, .alias:
            reading.report(join(path, "<<"), line, "expected a section or a list of sections to merge")
        }
    }

    private mutating func add(_ entry: Entry) {
        self.indexByKey[entry.key] = self.entries.count
        self.entries.append(entry)
    }
}

/// `clusters[1]` and `routing` make `clusters[1].routing`. A key that is not like a key is quoted.
func join(_ path: String, _ key: String) -> String {
    let isKey =
        !key.isEmpty && key.utf8.count <= 64
        && key.unicodeScalars.allSatisfy { $0.isWord || $0 == "_" || $0 == "-" || $0 == "<" }
    let shown = isKey ? key : quoted(key)
    return path.isEmpty ? shown : "\(path).\(shown)"
}
