/// The rules for names of metrics and labels. Names are ours, so a wrong one is our mistake and traps with a sentence.
enum MetricName {
    /// `homing_[a-z0-9_]+`; a counter, and only a counter, ends in `_total`; nothing ends like a histogram's parts.
    static func check(_ name: String, kind: MetricKind) {
        require(
            name.hasPrefix("homing_") && name.utf8.count > 7 && name.utf8.allSatisfy(self.isNameByte),
            "a metric name is homing_ and lower-case letters, digits or underscores, not \(name)")
        require(
            name.hasSuffix("_total") == (kind == .counter), "counters, and only counters, end in _total, unlike \(name)"
        )
        for suffix in ["_bucket", "_sum", "_count"] {
            require(!name.hasSuffix(suffix), "\(suffix) is kept for the parts of histograms, so not \(name)")
        }
    }

    /// `[a-z_][a-z0-9_]*`, and not `le`, which belongs to histogram buckets.
    static func checkLabel(_ label: String, of metric: String) {
        let startsWithDigit = label.utf8.first.map { (0x30...0x39).contains($0) } ?? true
        require(
            !startsWithDigit && label.utf8.allSatisfy(self.isNameByte) && label != "le",
            "metric \(metric) cannot have a label named '\(label)'")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x5F
    }
}

/// Ends the process with this sentence unless the condition holds. Unlike `precondition` it speaks in release builds
/// too: the rules above are broken at assembly, where whoever reads the sentence can mend it.
func require(_ condition: Bool, _ sentence: @autoclosure () -> String) {
    if !condition { fatalError(sentence()) }
}
