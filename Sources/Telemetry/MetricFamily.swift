/// What a metric's number does over time, which tells a scraper what may be asked of it.
public enum MetricKind: String, Sendable {
    case counter
    case gauge
    case histogram
}

/// All series of one metric name. A value; the registry's mutex guards the live one and a scrape works on a copy.
struct MetricFamily: Sendable {
    /// One set of labels and where its number comes from.
    struct Series: Sendable {
        let labels: [String: String]
        let handle: Handle
        /// False for cells of a grid, which are shown only after the first count.
        let showsZero: Bool
    }

    enum Handle: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    let name: String
    let help: String
    let kind: MetricKind
    /// Names of the labels that every series has, sorted; nil until the first series.
    var labelNames: [String]?
    /// By rendered labels, so that two spellings of one set of labels are one series.
    var series: [String: Series] = [:]
    /// It is in every reading, even while nothing has been counted.
    var isDeclared = false
    /// Asked at every scrape for values that others keep.
    var observers: [@Sendable (inout Observation) -> Void] = []

    init(name: String, help: String, kind: MetricKind) {
        MetricName.check(name, kind: kind)
        require(!help.isEmpty, "metric \(name) has a help text: the question that it answers")
        self.name = name
        self.help = help
        self.kind = kind
    }

    /// Names of the labels; those of what observers say now, where nobody declared any.
    var knownLabels: [String] {
        if let names = self.labelNames { return names }
        var observation = Observation()
        for observe in self.observers { observe(&observation) }
        return observation.labelNames
    }

    /// Traps unless the family was registered the same way before.
    func checkSame(help: String, kind: MetricKind) {
        require(kind == self.kind, "metric \(self.name) is already registered as a \(self.kind.rawValue)")
        require(help == self.help, "metric \(self.name) is already registered with another help text")
    }

    /// Traps unless every series of the family has the same label names.
    mutating func checkLabels(_ labels: [String: String]) {
        let names = labels.keys.sorted()
        if let known = self.labelNames {
            require(names == known, "metric \(self.name) has the labels \(known), not \(names)")
        } else {
            for name in names { MetricName.checkLabel(name, of: self.name) }
            self.labelNames = names
        }
    }
}

/// Takes the values of one observed metric during a scrape. Called like a function: `emit(3, ["cluster": "chat"])`.
public struct Observation {
    /// Sample text by rendered labels. Two values for one set of labels would void the whole scrape, so the later one
    /// stays.
    private(set) var samples: [String: String] = [:]
    /// Of the last sample, sorted.
    private(set) var labelNames: [String] = []

    public mutating func callAsFunction(_ value: Int, _ labels: [String: String] = [:]) {
        self.labelNames = labels.keys.sorted()
        self.samples[MetricText.labels(labels)] = String(value)
    }

    public mutating func callAsFunction(_ value: Double, _ labels: [String: String] = [:]) {
        self.labelNames = labels.keys.sorted()
        self.samples[MetricText.labels(labels)] = MetricText.number(value)
    }
}
