import Synchronization

/// Every metric of this process by name, and the text that a scraper reads.
///
/// Made once by the program and passed in. Handles are asked for at assembly (or when a replica joins) and kept by
/// whoever counts with them, so the mutex here is never taken on the data path. Mistakes in names, kinds and label
/// names are ours and trap with a sentence; what peers can cause never traps.
public final class MetricRegistry: Sendable {
    private let families = Mutex<[String: MetricFamily]>([:])
    private let maxSeries: Int
    private let dropped: Counter

    /// - Parameter maxSeries: most series that one name may have, at least 1. Handles past it count but are not shown,
    ///   and are counted in `homing_metric_series_dropped_total`: churning replicas must not fill the scraper's memory.
    public init(maxSeries: Int = 5_000) {
        self.maxSeries = max(1, maxSeries)
        self.dropped = Counter()
        self.families.withLock { families in
            var own = MetricFamily(
                name: "homing_metric_series_dropped_total",
                help: "Series that are not shown because their metric has too many.", kind: .counter)
            own.labelNames = []
            own.series[""] = MetricFamily.Series(labels: [:], handle: .counter(self.dropped), showsZero: true)
            families[own.name] = own
        }
    }

    /// The counter of this name and these labels, new or the one already made. `name` ends in `_total`.
    public func counter(_ name: String, help: String, labels: [String: String] = [:]) -> Counter {
        let handle = self.handle(name, help, .counter, labels) { .counter(Counter()) }
        guard case .counter(let counter) = handle else { preconditionFailure("a counter family holds counters") }
        return counter
    }

    /// The gauge of this name and these labels, new or the one already made.
    public func gauge(_ name: String, help: String, labels: [String: String] = [:]) -> Gauge {
        let handle = self.handle(name, help, .gauge, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = handle else { preconditionFailure("a gauge family holds gauges") }
        return gauge
    }

    /// The histogram of durations of this name and these labels, new or the one already made. `name` ends in
    /// `_seconds`.
    /// - Parameter bounds: rising upper bounds, the same for every series of the name.
    public func histogram(
        _ name: String, help: String, bounds: [Duration], labels: [String: String] = [:]
    ) -> Histogram {
        require(name.hasSuffix("_seconds"), "a histogram of durations ends in _seconds, unlike \(name)")
        return self.histogram(name, help, bounds.map(\.wholeNanoseconds), .seconds, labels)
    }

    /// The histogram of whole numbers (bytes, blocks) of this name and these labels, new or the one already made.
    /// - Parameter bounds: rising upper bounds, the same for every series of the name.
    public func histogram(_ name: String, help: String, bounds: [Int], labels: [String: String] = [:]) -> Histogram {
        self.histogram(name, help, bounds, .whole, labels)
    }

    /// Counters for every combination of two labels with fixed values. Cells never added to are not shown.
    /// - Parameters:
    ///   - labels: labels that all cells share.
    ///   - rows: name and values of the label that the first index stands for.
    ///   - columns: name and values of the label that the second index stands for.
    public func counterGrid(
        _ name: String, help: String, labels: [String: String] = [:],
        rows: (label: String, values: [String]), columns: (label: String, values: [String])
    ) -> CounterGrid {
        self.declare(name, help: help, kind: .counter, labels: labels.keys + [rows.label, columns.label])
        var cells: [Counter] = []
        cells.reserveCapacity(rows.values.count * columns.values.count)
        for row in rows.values {
            for column in columns.values {
                var all = labels
                all[rows.label] = row
                all[columns.label] = column
                let handle = self.handle(name, help, .counter, all, showsZero: false) { .counter(Counter()) }
                guard case .counter(let cell) = handle else { preconditionFailure("a counter family holds counters") }
                cells.append(cell)
            }
        }
        return CounterGrid(cells: cells, columns: columns.values.count)
    }

    /// A metric whose values others keep: `observe` is called at every scrape, on the scraper's thread and outside of
    /// the registry's lock, and emits them. It may be called by two scrapes at once. A name may have several observers.
    public func observed(
        _ name: String, help: String, kind: MetricKind, _ observe: @escaping @Sendable (inout Observation) -> Void
    ) {
        require(kind != .histogram, "metric \(name) is observed, so it is a counter or a gauge")
        self.families.withLock { families in
            var family = Self.family(name, help, kind, in: families)
            family.observers.append(observe)
            families[name] = family
        }
    }

    /// Tells of a metric whose series come later, when something happens to a replica that nobody knows yet: readers see
    /// its name, help and kind from the start. `labels` are the names of those that its series will have.
    public func declare(_ name: String, help: String, kind: MetricKind, labels: [String]) {
        self.families.withLock { families in
            var family = Self.family(name, help, kind, in: families)
            family.isDeclared = true
            family.checkLabels([String: String](uniqueKeysWithValues: labels.map { ($0, "") }))
            families[name] = family
        }
    }

    /// Every metric that there is, by name.
    public func descriptions() -> [MetricDescription] {
        let families = self.families.withLock { Array($0.values) }
        return families.sorted { $0.name < $1.name }.map {
            MetricDescription(name: $0.name, kind: $0.kind, help: $0.help, labels: $0.knownLabels)
        }
    }

    /// Takes out every series that has all of these labels, as when a replica is removed. Handles to them go on
    /// counting unseen; asking for the same labels again gives a new handle that starts from zero.
    public func removeSeries(labels: [String: String]) {
        require(!labels.isEmpty, "removing every series at once is never meant")
        self.families.withLock { families in
            for (name, family) in families where labels.keys.allSatisfy(family.labelNames?.contains ?? { _ in false }) {
                let gone = family.series.filter { _, series in
                    labels.allSatisfy { series.labels[$0.key] == $0.value }
                }
                for key in gone.keys { families[name]?.series[key] = nil }
            }
        }
    }

    /// All metrics in the Prometheus text format 0.0.4. Families and their series are sorted; times are in seconds.
    public func exposition() -> String {
        // Observers lock things of their own, so they are called on a copy.
        let families = self.families.withLock { Array($0.values) }
        return MetricText.exposition(of: families)
    }

    private func histogram(
        _ name: String, _ help: String, _ bounds: [Int], _ unit: Histogram.Unit, _ labels: [String: String]
    ) -> Histogram {
        let handle = self.handle(name, help, .histogram, labels) { .histogram(Histogram(bounds: bounds, unit: unit)) }
        guard case .histogram(let histogram) = handle else {
            preconditionFailure("a histogram family holds histograms")
        }
        require(
            histogram.bounds == bounds && histogram.unit == unit,
            "metric \(name) is already registered with other bucket bounds")
        return histogram
    }

    private func handle(
        _ name: String, _ help: String, _ kind: MetricKind, _ labels: [String: String], showsZero: Bool = true,
        make: () -> MetricFamily.Handle
    ) -> MetricFamily.Handle {
        let key = MetricText.labels(labels)
        return self.families.withLock { families in
            var family = Self.family(name, help, kind, in: families)
            if let known = family.series[key] { return known.handle }
            // Taken out while it changes: with a second reference every new series would copy all others.
            families[name] = nil
            defer { families[name] = family }
            family.checkLabels(labels)
            let handle = make()
            if case .histogram(let new) = handle, case .histogram(let other)? = family.series.values.first?.handle {
                require(
                    new.bounds == other.bounds && new.unit == other.unit,
                    "metric \(name) is already registered with other bucket bounds")
            }
            if family.series.count < self.maxSeries {
                family.series[key] = MetricFamily.Series(labels: labels, handle: handle, showsZero: showsZero)
            } else {
                self.dropped.add()
            }
            return handle
        }
    }

    private static func family(
        _ name: String, _ help: String, _ kind: MetricKind, in families: [String: MetricFamily]
    ) -> MetricFamily {
        guard let known = families[name] else { return MetricFamily(name: name, help: help, kind: kind) }
        known.checkSame(help: help, kind: kind)
        return known
    }
}
