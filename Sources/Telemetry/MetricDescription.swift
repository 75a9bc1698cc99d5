/// What a metric is, without its numbers.
package struct MetricDescription: Sendable, Equatable {
    package let name: String
    package let kind: MetricKind
    package let help: String
    /// Names, sorted.
    package let labels: [String]
}
