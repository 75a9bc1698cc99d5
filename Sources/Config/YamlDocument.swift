import Yams

/// The one YAML document of a configuration file, as nodes with their lines.
///
/// Bounds: the text is at most `largestFile` bytes; nesting is bounded by the parser (1,000 levels). What an alias
/// stands for is shared, not copied, so small files cannot become large trees.
struct YamlDocument {
    /// Nil for an empty file.
    let root: Node?

    /// Most bytes of a configuration file.
    static let largestFile = 4 * 1024 * 1024

    /// First character of a key that stood twice in its section; the key follows, then the same character and a number.
    /// From the private use area, where no configuration key comes from.
    private static let repeatedKeyMark: Character = "\u{F8FF}"
    /// Repeated keys after which reading stops: each costs one pass over the text.
    private static let mostRepeatedKeys = 20

    /// Throws the problem that keeps the text from being read at all.
    ///
    /// A key that stands twice in a section is not such a problem: the first one is marked (see `repeatedKey`), so that
    /// whoever reads the section reports it with its path, together with everything else.
    init(text: String) throws(DocumentProblem) {
        guard text.utf8.count <= Self.largestFile else {
            throw DocumentProblem(line: nil, text: "the file is larger than \(Self.largestFile) bytes")
        }
        var text = text
        // Yams compares whole keys, and through aliases a key can be larger than any memory. So the keys are looked at
        // first, in a text whose aliases are plain words.
        if text.utf8.contains(UInt8(ascii: "*")) {
            try Self.composed(&text) { Self.aliasesAsWords($0) }.map(Self.refuseLargeKeys)
        }
        self.root = try Self.composed(&text) { $0 }
    }

    /// The nodes of what `form` makes of the text, in which it must keep every character's position. Marks keys of the
    /// text that stand more than once.
    private static func composed(_ text: inout String, form: (String) -> String) throws(DocumentProblem) -> Node? {
        for number in 1...self.mostRepeatedKeys {
            do {
                // The basic resolver leaves every scalar as the text that was written: types are decided per key.
                return try Yams.compose(yaml: form(text), .basic, .default, .utf8)
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
                let marked = keys.first.flatMap { self.marking($0, at: context.mark, number: number, in: text) }
                guard let marked, number < self.mostRepeatedKeys else {
                    let key = keys.first.map { quoted($0) } ?? "a key"
                    throw DocumentProblem(line: context.mark.line, text: "\(key) stands more than once in its section")
                }
                text = marked
            } catch let error as YamlError {
                throw DocumentProblem(error)
            } catch {
                throw DocumentProblem(line: nil, text: "is not valid YAML")
            }
        }
        preconditionFailure("every pass ends with a return, a throw or a text for the next one")
    }

    /// The text with a private character in the place of every `*`.
    private static func aliasesAsWords(_ text: String) -> String {
        var words = String.UnicodeScalarView()
        words.append(contentsOf: text.unicodeScalars.lazy.map { $0 == "*" ? self.aliasMark : $0 })
        return String(words)
    }
    private static let aliasMark: Unicode.Scalar = "\u{F8FE}"

    /// Throws when a key is an alias, a list or a section.
    private static func refuseLargeKeys(in node: Node) throws(DocumentProblem) {
        switch node {
        case .scalar, .alias: ()
        case .sequence(let sequence):
            for element in sequence { try self.refuseLargeKeys(in: element) }
        case .mapping(let mapping):
            for (key, value) in mapping {
                guard case .scalar(let scalar) = key,
                    scalar.style != .plain || scalar.string.unicodeScalars.first != self.aliasMark
                else {
                    throw DocumentProblem(line: key.line, text: "a key must be text, not an alias, a list or a section")
                }
                try self.refuseLargeKeys(in: value)
            }
        }
    }

    /// The key that was written, when `key` is one that the document marked because it stands more than once.
    static func repeatedKey(_ key: String) -> String? {
        guard key.first == self.repeatedKeyMark else { return nil }
        return String(key.dropFirst().prefix { $0 != self.repeatedKeyMark })
    }

    /// The text with the key at this position marked, or nil when the key is not found there as it was read (because it
    /// is quoted, an alias, or has a tag).
    private static func marking(_ key: String, at mark: Mark, number: Int, in text: String) -> String? {
        guard !key.isEmpty, let start = self.index(of: mark, in: text.unicodeScalars) else { return nil }
        guard text.unicodeScalars[start...].starts(with: key.unicodeScalars) else { return nil }
        let end = text.unicodeScalars.index(start, offsetBy: key.unicodeScalars.count)
        let marked = "\(self.repeatedKeyMark)\(key)\(self.repeatedKeyMark)\(number)"
        return String(text.unicodeScalars[..<start]) + marked + String(text.unicodeScalars[end...])
    }

    /// Where a line and column (both from 1) are. Lines end with LF or CR LF here; a file that uses anything else
    /// yields nil or a place where the key does not stand.
    private static func index(of mark: Mark, in text: String.UnicodeScalarView) -> String.Index? {
        guard mark.line >= 1, mark.column >= 1 else { return nil }
        var index = text.startIndex
        for _ in 1..<mark.line {
            guard let end = text[index...].firstIndex(of: "\n") else { return nil }
            index = text.index(after: end)
        }
        return text.index(index, offsetBy: mark.column - 1, limitedBy: text.endIndex)
    }
}

/// Why a text could not be read as YAML at all.
struct DocumentProblem: Error {
    /// From 1; nil when it is about the file as a whole.
    let line: Int?
    let text: String

    init(line: Int?, text: String) {
        self.line = line
        self.text = text
    }

    init(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
            self.init(line: mark.line, text: "is not valid YAML: \(problem)")
        case .composer(let context, let problem, let mark, _):
            let text = [context?.text, problem].compactMap(\.self).joined(separator: " ")
            self.init(line: mark.line, text: "is not valid YAML: \(text)")
        case .reader(let problem, let offset, _, let yaml):
            let line = offset.map { offset in yaml.prefix(offset).count(where: \.isNewline) + 1 }
            self.init(line: line, text: "is not valid YAML: \(problem)")
        case .memory:
            self.init(line: nil, text: "is not valid YAML: nested too deeply")
        default:
            self.init(line: nil, text: "is not valid YAML")
        }
    }
}
