/// What a metric is, without its numbers.
package struct MetricDescription: Sendable, Equatable {
    package let name: String
    package let kind: MetricKind
    package let help: String
    /// Names, sorted.
    package let labels: [String]

    package init(name: String, kind: MetricKind, help: String, labels: [String]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = labels
    }
}
