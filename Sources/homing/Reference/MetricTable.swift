import Telemetry

/// Every metric that a proxy can have, from the registry of one that is assembled and not started, as the table of the
/// page Metrics.
struct MetricTable {
    let metrics: [MetricDescription]

    /// One line for each metric, by name.
    var markdown: String {
        let rows = self.metrics.map { metric in
            let labels = metric.labels.map { "`\($0)`" }.joined(separator: ", ")
            return "| `\(metric.name)` | \(metric.kind.rawValue) | \(labels) | \(metric.help) |"
        }
        return (["| metric | kind | labels | what it says |", "|---|---|---|---|"] + rows).joined(separator: "\n")
    }
}
