/// One line of the access log under construction. The fields come in the order of `AccessLogEntry.fields`.
///
/// Every line is ASCII and ends in the only line feed it has, whatever a peer put into a path or a name: all else is
/// escaped, and a text longer than `maxTextBytes` is cut and marked with `...`.
protocol AccessLogLine: ~Copyable {
    /// Starts a line in `buffer`, which is empty and whose capacity is kept.
    init(in buffer: consuming [UInt8])

    mutating func timestamp(_ key: String, unixMs: Int)
    mutating func text(_ key: String, _ value: String?)
    mutating func number(_ key: String, _ value: Int?)
    /// A number with three decimals, given in thousandths.
    mutating func thousandths(_ key: String, _ value: Int?)

    /// The line with its line feed, in the buffer that it was given.
    consuming func finished() -> [UInt8]
}

/// Most UTF-8 bytes of one text that are shown.
let maxTextBytes = 512

/// `time=2026-11-02T08:00:00.000Z peer=10.0.0.7:5310 … model="a b" replica=-`: bare where a value cannot be mistaken,
/// quoted otherwise, `-` for what there is none of.
struct TextLine: AccessLogLine, ~Copyable {
    private var bytes: [UInt8]

    init(in buffer: consuming [UInt8]) {
        self.bytes = buffer
    }

    mutating func timestamp(_ key: String, unixMs: Int) {
        self.key(key)
        self.bytes.append(timestamp: unixMs)
    }

    mutating func text(_ key: String, _ value: String?) {
        self.key(key)
        guard let value else { return self.bytes.append(UInt8(ascii: "-")) }
        if value != "-", !value.isEmpty, value.utf8.count <= maxTextBytes, value.utf8.allSatisfy(Self.isBare) {
            self.bytes.append(contentsOf: value.utf8)
            return
        }
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.append(escaped: value) { bytes, scalar in
            bytes.append(contentsOf: "\\u{".utf8)
            bytes.append(hex: scalar.value, digits: scalar.value > 0xFFFF ? 6 : 4)
            bytes.append(UInt8(ascii: "}"))
        }
        self.bytes.append(UInt8(ascii: "\""))
    }

    mutating func number(_ key: String, _ value: Int?) {
        self.key(key)
        guard let value else { return self.bytes.append(UInt8(ascii: "-")) }
        self.bytes.append(decimal: value)
    }

    mutating func thousandths(_ key: String, _ value: Int?) {
        self.key(key)
        guard let value else { return self.bytes.append(UInt8(ascii: "-")) }
        self.bytes.append(thousandths: value)
    }

    consuming func finished() -> [UInt8] {
        self.bytes.append(UInt8(ascii: "\n"))
        return self.bytes
    }

    private mutating func key(_ key: String) {
        if !self.bytes.isEmpty { self.bytes.append(UInt8(ascii: " ")) }
        self.bytes.append(contentsOf: key.utf8)
        self.bytes.append(UInt8(ascii: "="))
    }

    /// Printable ASCII that neither ends a value nor starts a quoted one.
    private static func isBare(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
            && byte != UInt8(ascii: "=")
    }
}

/// One JSON object per line (RFC 8259), `null` for what there is none of.
struct JSONLine: AccessLogLine, ~Copyable {
    private var bytes: [UInt8]

    init(in buffer: consuming [UInt8]) {
        self.bytes = buffer
    }

    mutating func timestamp(_ key: String, unixMs: Int) {
        self.key(key)
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.append(timestamp: unixMs)
        self.bytes.append(UInt8(ascii: "\""))
    }

    mutating func text(_ key: String, _ value: String?) {
        self.key(key)
        guard let value else { return self.bytes.append(contentsOf: "null".utf8) }
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.append(escaped: value) { bytes, scalar in
            for unit in UTF16.encode(scalar)! {
                bytes.append(contentsOf: "\\u".utf8)
                bytes.append(hex: UInt32(unit), digits: 4)
            }
        }
        self.bytes.append(UInt8(ascii: "\""))
    }

    mutating func number(_ key: String, _ value: Int?) {
        self.key(key)
        guard let value else { return self.bytes.append(contentsOf: "null".utf8) }
        self.bytes.append(decimal: value)
    }

    mutating func thousandths(_ key: String, _ value: Int?) {
        self.key(key)
        guard let value else { return self.bytes.append(contentsOf: "null".utf8) }
        self.bytes.append(thousandths: value)
    }

    consuming func finished() -> [UInt8] {
        self.bytes.append(contentsOf: "}\n".utf8)
        return self.bytes
    }

    private mutating func key(_ key: String) {
        self.bytes.append(UInt8(ascii: self.bytes.isEmpty ? "{" : ","))
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.append(contentsOf: key.utf8)
        self.bytes.append(contentsOf: "\":".utf8)
    }
}
