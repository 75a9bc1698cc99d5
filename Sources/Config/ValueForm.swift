/// How one kind of value is written in a configuration file: what is right, how to read it, how to write it back.
package struct ValueForm<Value> {
    /// What is right, to follow "expected": `a whole number, 0 to 1024`.
    package let expects: String
    /// Reads the value, or says why not.
    package let parse: (ScalarText) throws(Mismatch) -> Value
    /// The text of the value; `isText` says that it must not be taken for a number or a truth value.
    package let show: (Value) -> ScalarText

    package init(
        expects: String, parse: @escaping (ScalarText) throws(Mismatch) -> Value,
        show: @escaping (Value) -> ScalarText
    ) {
        self.expects = expects
        self.parse = parse
        self.show = show
    }
}

/// A single value as the file has it.
package struct ScalarText: Hashable, Sendable {
    package let text: String
    /// It stood between quotes or was a block of text, so it is text even if it looks like a number.
    package let isText: Bool

    package init(_ text: String, isText: Bool) {
        self.text = text
        self.isText = isText
    }
}

/// Why a value does not have the form.
package enum Mismatch: Error, Hashable {
    /// It is something else; the report says what was expected and what was found.
    case unexpected
    /// The report is this text, which says both.
    case because(String)
}

extension ValueForm where Value == Int {
    /// A whole number within these bounds. Decimal digits, which `_` may separate, after an optional sign.
    package static func int(in range: ClosedRange<Int> = .min ... .max) -> Self {
        Self(
            expects: "a whole number" + bounds(range.lowerBound, range.upperBound, .min, .max),
            parse: { (scalar) throws(Mismatch) in
                guard !scalar.isText, let value = wholeNumber(scalar.text), range.contains(value) else {
                    throw .unexpected
                }
                return value
            },
            show: { ScalarText(String($0), isText: false) })
    }
}

extension ValueForm where Value == Double {
    /// A finite number within these bounds.
    package static func double(
        in range: ClosedRange<Double> = -.greatestFiniteMagnitude ... .greatestFiniteMagnitude
    ) -> Self {
        let limit = Double.greatestFiniteMagnitude
        return Self(
            expects: "a number" + bounds(range.lowerBound, range.upperBound, -limit, limit),
            parse: { (scalar) throws(Mismatch) in
                let isNumeral = scalar.text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
                guard !scalar.isText, isNumeral, let value = Double(scalar.text), range.contains(value) else {
                    throw .unexpected
                }
                return value
            },
            show: { ScalarText("\($0)", isText: false) })
    }
}

extension ValueForm where Value == Bool {
    package static var bool: Self {
        Self(
            expects: "true or false",
            parse: { (scalar) throws(Mismatch) in
                switch (scalar.isText, scalar.text) {
                case (false, "true"): return true
                case (false, "false"): return false
                default: throw .unexpected
                }
            },
            show: { ScalarText($0 ? "true" : "false", isText: false) })
    }
}

extension ValueForm where Value == String {
    /// Any text of at most `limit` bytes. A number is taken as the text that was written.
    package static func string(atMost limit: Int = 4_096, emptyAllowed: Bool = true) -> Self {
        Self(
            expects: emptyAllowed ? "text" : "text that is not empty",
            parse: { (scalar) throws(Mismatch) in
                guard emptyAllowed || !scalar.text.isEmpty else { throw .unexpected }
                guard scalar.text.utf8.count <= limit else { throw .because("is longer than \(limit) bytes") }
                return scalar.text
            },
            show: { ScalarText($0, isText: true) })
    }
}

extension ValueForm where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of the names that the type has.
    package static var oneOf: Self {
        let names = Value.allCases.map(\.rawValue)
        return Self(
            expects: "one of " + names.joined(separator: ", "),
            parse: { (scalar) throws(Mismatch) in
                if let value = Value(rawValue: scalar.text) { return value }
                guard let meant = Spelling.nearest(to: scalar.text, among: names) else { throw .unexpected }
                throw .because(
                    "expected one of \(names.joined(separator: ", ")), found \(quoted(scalar.text)); "
                        + "did you mean \(quoted(meant))?")
            },
            show: { ScalarText($0.rawValue, isText: false) })
    }
}

/// The number, or nil for anything but decimal digits with an optional sign. A leading zero is refused because YAML 1.1
/// reads such a number as octal.
private func wholeNumber(_ text: String) -> Int? {
    let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_") }) else { return nil }
    guard digits.first != "_", digits.last != "_", digits == "0" || digits.first != "0" else { return nil }
    return Int(text.filter { $0 != "_" })
}

/// `, 1 to 64`, or the one bound that there is.
private func bounds<Number: Comparable>(_ lowest: Number, _ highest: Number, _ least: Number, _ most: Number) -> String
{
    switch (lowest > least, highest < most) {
    case (true, true): ", \(lowest) to \(highest)"
    case (true, false): ", at least \(lowest)"
    case (false, true): ", at most \(highest)"
    case (false, false): ""
    }
}
