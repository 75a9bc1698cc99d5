/// What a metric is, without its numbers.
public struct MetricDescription: Sendable, Equatable {
    public let name: String
    public let kind: MetricKind
    public let help: String
    /// Names, sorted.
    public let labels: [String]

    public init(name: String, kind: MetricKind, help: String, labels: [String]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = labels
    }
}
