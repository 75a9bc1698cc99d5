import Yams

/// A part of the configuration that has keys of its own. It names each key once, with the variable it fills, the form
/// of its value and its manual entry; the variable's value at that moment is the default.
package protocol ConfigSection {
    /// All defaults.
    init()
    /// Names every key to the reader, always the same ones in the same order.
    mutating func read(from section: SectionReader)
}

/// One section of a configuration, for the code that knows its keys.
///
/// The same code runs for three purposes, and cannot tell them apart: to read a file, to write the effective settings,
/// and to write the reference. It takes part in one reading in one task, and must not be kept.
///
///     mutating func read(from section: SectionReader) {
///         section.value("interval_ms", &self.intervalMs, .int(in: 1...3_600_000), "Time between two probes.")
///     }
///
/// What is wrong in the file is reported and leaves the variable as it was, so one reading finds all problems.
package final class SectionReader {
    /// Such as `clusters[1].routing`; empty for the whole file.
    package let path: String
    /// What the section was asked about, in order.
    private(set) var records: [KeyRecord] = []

    enum Purpose {
        case read(SectionValues, Reading)
        case describe
    }
    let purpose: Purpose
    private let line: Int?
    /// False for a section that has its values already, and of which only some change.
    private let isNew: Bool
    var knownKeys: [String] = []

    /// For reading a section of a file.
    init(path: String, line: Int?, values: SectionValues, reading: Reading, isNew: Bool = true) {
        self.path = path
        self.line = line
        self.isNew = isNew
        self.purpose = .read(values, reading)
    }

    /// For describing the settings that a section fills: every variable keeps its value.
    init(describing path: String) {
        self.path = path
        self.line = nil
        self.isNew = true
        self.purpose = .describe
    }

    // MARK: - Keys

    /// A single value. `required` means that a file which has this section must set it.
    package func value<Value>(
        _ key: String, _ variable: inout Value, _ form: ValueForm<Value>, required: Bool = false, _ manual: String
    ) {
        switch self.ask(key) {
        case .describe:
            let expects = required ? "\(form.expects); required" : form.expects
            self.record(key, expects, manual, .value(form.show(variable)))
        case .absent(let reading):
            guard required, self.isNew else { return }
            reading.report(join(self.path, key), self.line, "is missing; expected \(form.expects)")
        case .present(let entry, let reading):
            guard let value = self.parse(entry.value, as: form, join(self.path, key), entry.line, reading) else {
                return
            }
            variable = value
        }
    }

    /// A single value that may be left out and then is nil.
    package func optionalValue<Value>(
        _ key: String, _ variable: inout Value?, _ form: ValueForm<Value>, _ manual: String
    ) {
        switch self.ask(key) {
        case .describe:
            self.record(key, form.expects, manual, variable.map { .value(form.show($0)) } ?? .unset)
        case .absent: ()
        case .present(let entry, let reading):
            guard let value = self.parse(entry.value, as: form, join(self.path, key), entry.line, reading) else {
                return
            }
            variable = value
        }
    }

    /// A list of values. A single value stands for a list of one.
    package func values<Value>(
        _ key: String, _ variable: inout [Value], of form: ValueForm<Value>, _ manual: String
    ) {
        switch self.ask(key) {
        case .describe:
            self.record(key, "a list, each \(form.expects)", manual, .values(variable.map(form.show)))
        case .absent: ()
        case .present(let entry, let reading):
            let path = join(self.path, key)
            let list = reading.override(of: path).map { Node(listing: $0.text) } ?? entry.value
            guard case .sequence(let sequence) = list else {
                guard let value = self.parse(entry.value, as: form, path, entry.line, reading) else { return }
                variable = [value]
                return
            }
            variable = []
            for (index, element) in sequence.enumerated() {
                let line = element.line
                guard reading.takeElement(path, line) else { return }
                reading.note(line: line, of: "\(path)[\(index)]")
                guard let value = self.parse(element, as: form, "\(path)[\(index)]", line, reading) else { continue }
                variable.append(value)
            }
        }
    }

    /// A section inside this one.
    package func section<Section: ConfigSection>(_ key: String, _ variable: inout Section, _ manual: String) {
        switch self.ask(key) {
        case .describe:
            self.record(key, "a section", manual, .section(self.describe(variable, join(self.path, key))))
        case .absent(let reading):
            self.override(&variable, join(self.path, key), isNew: false, reading)
        case .present(let entry, let reading):
            self.fill(&variable, from: entry.value, join(self.path, key), entry.line, shorthand: nil, reading)
        }
    }

    /// A section inside this one that may be left out and then is nil.
    package func optionalSection<Section: ConfigSection>(
        _ key: String, _ variable: inout Section?, _ manual: String
    ) {
        switch self.ask(key) {
        case .describe:
            let path = join(self.path, key)
            let content: KeyRecord.Content =
                if let section = variable {
                    .section(self.describe(section, path))
                } else {
                    .unsetSection(blank: self.describe(Section(), path))
                }
            self.record(key, "a section", manual, content)
        case .absent(let reading):
            let path = join(self.path, key)
            guard reading.overridesInside(path) else { return }
            var section = variable ?? Section()
            self.override(&section, path, isNew: variable == nil, reading)
            variable = section
        case .present(let entry, let reading):
            var section = variable ?? Section()
            self.fill(&section, from: entry.value, join(self.path, key), entry.line, shorthand: nil, reading)
            variable = section
        }
    }

    /// A list of sections. With a shorthand, an element that is a single value sets that key of an element.
    package func sections<Section: ConfigSection>(
        _ key: String, _ variable: inout [Section], shorthand: String? = nil, _ manual: String
    ) {
        switch self.ask(key) {
        case .describe:
            let path = join(self.path, key)
            let elements = variable.enumerated().map { self.describe($1, "\(path)[\($0)]") }
            let blank = self.describe(Section(), "\(path)[]")
            self.record(key, "a list of sections", manual, .sections(elements, blank: blank))
        case .absent(let reading):
            for index in variable.indices {
                let path = "\(join(self.path, key))[\(index)]"
                reading.note(element: path)
                self.override(&variable[index], path, isNew: false, reading)
            }
        case .present(let entry, let reading):
            let path = join(self.path, key)
            guard case .sequence(let sequence) = entry.value else {
                reading.report(path, entry.line, "expected a list of sections, found \(entry.value.found)")
                return
            }
            variable = []
            for (index, element) in sequence.enumerated() {
                let line = element.line
                guard reading.takeElement(path, line) else { return }
                var section = Section()
                reading.note(line: line, of: "\(path)[\(index)]")
                reading.note(element: "\(path)[\(index)]")
                self.fill(&section, from: element, "\(path)[\(index)]", line, shorthand: shorthand, reading)
                variable.append(section)
            }
        }
    }

    // MARK: - The end of a section

    /// Reports every key of the file that the section was not asked about.
    func finish() {
        guard case .read(let values, let reading) = self.purpose else { return }
        for entry in values.entries where !self.knownKeys.contains(entry.key) {
            guard !reading.isFull else { return }
            let path = join(self.path, entry.key)
            if let meant = Spelling.nearest(to: entry.key, among: self.knownKeys) {
                reading.report(path, entry.line, "unknown key; did you mean \(quoted(meant))?")
            } else {
                let known = self.knownKeys.joined(separator: ", ")
                reading.report(path, entry.line, "unknown key; the keys here are \(known)")
            }
        }
    }

    // MARK: - One key

    enum Answer {
        case describe
        /// The key is not there or has no value.
        case absent(Reading)
        case present(SectionValues.Entry, Reading)
    }

    func ask(_ key: String) -> Answer {
        self.knownKeys.append(key)
        guard case .read(let values, let reading) = self.purpose else { return .describe }
        if let override = reading.override(of: join(self.path, key)) {
            return .present(SectionValues.Entry(key: key, line: nil, value: Node(plain: override.text)), reading)
        }
        guard let entry = values[key] else { return .absent(reading) }
        reading.note(line: entry.line, of: join(self.path, key))
        return entry.value.isNull ? .absent(reading) : .present(entry, reading)
    }

    func record(_ key: String, _ expects: String, _ manual: String, _ content: KeyRecord.Content) {
        self.records.append(KeyRecord(key: key, expects: expects, manual: manual, content: content))
    }

    private func describe<Section: ConfigSection>(_ section: Section, _ path: String) -> [KeyRecord] {
        var section = section
        let reader = SectionReader(describing: path)
        section.read(from: reader)
        return reader.records
    }

    func parse<Value>(
        _ node: Node, as form: ValueForm<Value>, _ path: String, _ line: Int?, _ reading: Reading
    ) -> Value? {
        guard case .scalar(let scalar) = node else {
            reading.report(path, line, "expected \(form.expects), found \(node.found)")
            return nil
        }
        do {
            return try form.parse(ScalarText(scalar.string, isText: scalar.style != .plain))
        } catch {
            switch error {
            case .unexpected:
                let hint = unitHint(for: path, scalar.string)
                reading.report(path, line, "expected \(form.expects), found \(node.found)\(hint)")
            case .because(let text): reading.report(path, line, text)
            }
            return nil
        }
    }

    private func fill<Section: ConfigSection>(
        _ section: inout Section, from node: Node, _ path: String, _ line: Int?, shorthand: String?, _ reading: Reading
    ) {
        let values: SectionValues
        switch (node, shorthand) {
        case (.mapping(let mapping), _):
            values = SectionValues(mapping, path: path, reading: reading)
        case (.scalar, .some(let key)) where !node.isNull:
            values = SectionValues(key: key, value: node, line: line)
        case (.scalar, .some(let key)):
            reading.report(path, line, "is empty; expected a section or its \(key)")
            return
        case (.scalar, .none), (.sequence, _), (.alias, _):
            reading.report(path, line, "expected a section with keys, found \(node.found)")
            return
        }
        let reader = SectionReader(path: path, line: line, values: values, reading: reading)
        section.read(from: reader)
        reader.finish()
    }

    /// Changes in a section that the file does not have what the environment says of it.
    private func override<Section: ConfigSection>(
        _ section: inout Section, _ path: String, isNew: Bool, _ reading: Reading
    ) {
        guard reading.overridesInside(path) else { return }
        section.read(
            from: SectionReader(path: path, line: nil, values: SectionValues(), reading: reading, isNew: isNew))
    }
}

/// What to say to a number with a unit, where the key's name has the unit: `30s` for `drain_timeout_ms`.
private func unitHint(for path: String, _ text: String) -> String {
    let units = [("_ms", "milliseconds"), ("_bytes", "bytes"), ("_seconds", "seconds"), ("_tokens", "tokens")]
    guard let unit = units.first(where: { path.hasSuffix($0.0) })?.1 else { return "" }
    guard text.first?.isNumber == true, text.last?.isLetter == true else { return "" }
    return "; the key's name has the unit: a number of \(unit)"
}
