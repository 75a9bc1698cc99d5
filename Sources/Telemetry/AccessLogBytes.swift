/// How numbers, times and foreign text become bytes of a log line, without a String on the way.
extension [UInt8] {
    mutating func append(decimal value: Int) {
        if value < 0 { self.append(UInt8(ascii: "-")) }
        self.append(decimal: value.magnitude, minDigits: 1)
    }

    /// `12.345` for 12345.
    mutating func append(thousandths value: Int) {
        if value < 0 { self.append(UInt8(ascii: "-")) }
        let (whole, rest) = value.magnitude.quotientAndRemainder(dividingBy: 1_000)
        self.append(decimal: whole, minDigits: 1)
        self.append(UInt8(ascii: "."))
        self.append(decimal: rest, minDigits: 3)
    }

    mutating func append(hex value: UInt32, digits: Int) {
        for place in stride(from: (digits - 1) * 4, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> UInt32(place)) & 0xF
            self.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// `2026-11-02T08:00:00.000Z` (RFC 3339) for milliseconds since 1970-01-01 UTC. The years 1970 to 9999 are meant;
    /// a time before is shown as the first of these instants and one after as the last.
    mutating func append(timestamp unixMs: Int) {
        let time = Swift.min(Swift.max(unixMs, 0), 253_402_300_799_999)
        let (days, msOfDay) = time.quotientAndRemainder(dividingBy: 86_400_000)
        // Days are counted from 1 March of year 0, so that the leap day is the last of its year.
        let sinceMarch = days + 719_468
        let (era, dayOfEra) = sinceMarch.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        self.append(part: year, digits: 4, then: "-")
        self.append(part: month, digits: 2, then: "-")
        self.append(part: day, digits: 2, then: "T")
        self.append(part: msOfDay / 3_600_000, digits: 2, then: ":")
        self.append(part: msOfDay / 60_000 % 60, digits: 2, then: ":")
        self.append(part: msOfDay / 1_000 % 60, digits: 2, then: ".")
        self.append(part: msOfDay % 1_000, digits: 3, then: "Z")
    }

    /// The text between quotes: printable ASCII as it is, a quote or backslash after a backslash, everything else (line
    /// feeds, escape sequences, right-to-left marks) through `other`. Cut after `maxTextBytes`.
    mutating func append(escaped text: String, other: (inout [UInt8], Unicode.Scalar) -> Void) {
        if text.utf8.count <= maxTextBytes,
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C })
        {
            return self.append(contentsOf: text.utf8)
        }
        var shown = 0
        for scalar in text.unicodeScalars {
            shown += scalar.utf8.count
            if shown > maxTextBytes { return self.append(contentsOf: "...".utf8) }
            switch scalar.value {
            case 0x22, 0x5C:
                self.append(0x5C)
                self.append(UInt8(scalar.value))
            case 0x20...0x7E: self.append(UInt8(scalar.value))
            default: other(&self, scalar)
            }
        }
    }

    private mutating func append(part value: Int, digits: Int, then separator: Unicode.Scalar) {
        self.append(decimal: value.magnitude, minDigits: digits)
        self.append(UInt8(ascii: separator))
    }

    private mutating func append(decimal value: UInt, minDigits: Int) {
        let (rest, digit) = value.quotientAndRemainder(dividingBy: 10)
        if rest > 0 || minDigits > 1 { self.append(decimal: rest, minDigits: minDigits - 1) }
        self.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
    }
}
