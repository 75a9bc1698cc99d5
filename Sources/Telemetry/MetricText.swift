/// The Prometheus text format, version 0.0.4: what is escaped, how numbers are written, in which order things stand.
enum MetricText {
    static func exposition(of families: [MetricFamily]) -> String {
        var text = ""
        for family in families.sorted(by: { $0.name < $1.name }) {
            let lines = self.lines(of: family)
            if lines.isEmpty, !family.isDeclared { continue }
            text += "# HELP \(family.name) \(self.escapedHelp(family.help))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            text += lines
        }
        return text
    }

    /// `cluster="chat",replica="a"` in the order of the names, or nothing.
    static func labels(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(self.escapedLabel($0.value))\"" }.joined(separator: ",")
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }

    /// A whole number of nanoseconds in seconds, exactly: no binary fraction is on the way.
    static func seconds(nanoseconds: Int) -> String {
        let (whole, rest) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        let sign = nanoseconds < 0 ? "-" : ""
        if rest == 0 { return sign + String(whole) }
        var digits = String(rest)
        digits = String(repeating: "0", count: 9 - digits.count) + digits
        while digits.last == "0" { digits.removeLast() }
        return "\(sign)\(whole).\(digits)"
    }

    private static func lines(of family: MetricFamily) -> String {
        var observation = Observation()
        for observe in family.observers { observe(&observation) }
        var linesByLabels: [String: String] = [:]
        for (labels, value) in observation.samples { linesByLabels[labels] = self.line(family.name, labels, value) }
        for (labels, series) in family.series {
            switch series.handle {
            case .counter(let counter):
                let value = counter.value
                if value == 0, !series.showsZero { continue }
                linesByLabels[labels] = self.line(family.name, labels, String(value))
            case .gauge(let gauge):
                linesByLabels[labels] = self.line(family.name, labels, String(gauge.value))
            case .histogram(let histogram):
                linesByLabels[labels] = self.lines(family.name, labels, histogram)
            }
        }
        return linesByLabels.sorted { $0.key < $1.key }.map(\.value).joined()
    }

    private static func lines(_ name: String, _ labels: String, _ histogram: Histogram) -> String {
        let before = labels.isEmpty ? "" : labels + ","
        var text = ""
        var cumulative = 0
        let counts = histogram.bucketCounts
        for (bound, count) in zip(histogram.bounds, counts) {
            cumulative += count
            text += self.line(
                "\(name)_bucket", "\(before)le=\"\(self.quantity(bound, histogram.unit))\"", "\(cumulative)")
        }
        cumulative += counts[histogram.bounds.count]
        text += self.line("\(name)_bucket", "\(before)le=\"+Inf\"", String(cumulative))
        text += self.line("\(name)_sum", labels, self.quantity(histogram.sum, histogram.unit))
        // The same sum of buckets, not a count of its own: the two must agree in every scrape.
        text += self.line("\(name)_count", labels, String(cumulative))
        return text
    }

    private static func quantity(_ value: Int, _ unit: Histogram.Unit) -> String {
        switch unit {
        case .seconds: self.seconds(nanoseconds: value)
        case .whole: String(value)
        }
    }

    private static func line(_ name: String, _ labels: String, _ value: String) -> String {
        labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    private static func escapedLabel(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func escapedHelp(_ help: String) -> String {
        var text = ""
        for scalar in help.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
