import Telemetry
import Testing

@Suite struct MetricRegistryTests {
    @Test func `the same name and labels give the same handle`() {
        let registry = MetricRegistry()
        let first = registry.counter("homing_a_total", help: "A?", labels: ["x": "1", "y": "2"])
        let again = registry.counter("homing_a_total", help: "A?", labels: ["y": "2", "x": "1"])
        let other = registry.counter("homing_a_total", help: "A?", labels: ["x": "2", "y": "1"])
        #expect(first === again)
        #expect(first !== other)
        let bounds: [Duration] = [.seconds(1)]
        let histogram = registry.histogram("homing_h_seconds", help: "H?", bounds: bounds)
        #expect(histogram === registry.histogram("homing_h_seconds", help: "H?", bounds: bounds))
        #expect(registry.gauge("homing_g", help: "G?") === registry.gauge("homing_g", help: "G?"))
    }

    @Test func `many threads adding lose nothing`() async {
        let registry = MetricRegistry()
        let counter = registry.counter("homing_a_total", help: "A?")
        let gauge = registry.gauge("homing_g", help: "G?")
        let histogram = registry.histogram("homing_h", help: "H?", bounds: [10, 20, 30])
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for round in 0..<50_000 {
                        counter.add()
                        gauge.add(3)
                        gauge.subtract(2)
                        histogram.record((task + round) % 40)
                    }
                }
            }
            group.addTask {
                for _ in 0..<50 {
                    _ = registry.exposition()
                    _ = registry.counter("homing_b_total", help: "B?")
                }
            }
        }
        #expect(counter.value == 400_000)
        #expect(gauge.value == 400_000)
        // Every task records each of 0…39 equally often: 10,000 of each in all.
        #expect(histogram.bucketCounts == [110_000, 100_000, 100_000, 90_000])
        #expect(histogram.sum == 10_000 * (0..<40).reduce(0, +))
    }

    @Test func `a bucket's bound is inclusive and durations count in nanoseconds`() {
        let histogram = Histogram(bounds: [1_000_000, 2_000_000], unit: .seconds)
        histogram.record(.milliseconds(1))
        histogram.record(.nanoseconds(1_000_001))
        histogram.record(.milliseconds(2))
        histogram.record(.seconds(3))
        #expect(histogram.bucketCounts == [1, 2, 1])
        #expect(histogram.sum == 3_004_000_001)
    }

    @Test func `a histogram may have its whole number of bounds`() {
        let histogram = Histogram(bounds: Array(1...Histogram.maxBounds), unit: .whole)
        for value in 0...(Histogram.maxBounds + 1) { histogram.record(value) }
        #expect(histogram.bucketCounts == [2] + Array(repeating: 1, count: Histogram.maxBounds))
    }

    @Test(arguments: [
        (Duration.seconds(1), 1_000_000_000), (.nanoseconds(7), 7), (.milliseconds(-3), -3_000_000),
        (Duration(secondsComponent: .max, attosecondsComponent: 0), Int.max),
        (Duration(secondsComponent: -.max, attosecondsComponent: 0), Int.min),
    ])
    func `a duration becomes nanoseconds without overflow`(duration: Duration, nanoseconds: Int) {
        #expect(duration.wholeNanoseconds == nanoseconds)
    }

    @Test func `a removed replica's series vanish and start again from zero`() {
        let registry = MetricRegistry()
        let a = registry.counter("homing_probes_total", help: "P?", labels: ["replica": "a", "outcome": "alive"])
        let b = registry.counter("homing_probes_total", help: "P?", labels: ["replica": "b", "outcome": "alive"])
        let gauge = registry.gauge("homing_in_flight", help: "F?", labels: ["replica": "a"])
        a.add(3)
        b.add(4)
        gauge.set(1)
        registry.removeSeries(labels: ["replica": "a"])
        a.add()
        #expect(
            registry.exposition() == """
                # HELP homing_metric_series_dropped_total Series that are not shown because their metric has too many.
                # TYPE homing_metric_series_dropped_total counter
                homing_metric_series_dropped_total 0
                # HELP homing_probes_total P?
                # TYPE homing_probes_total counter
                homing_probes_total{outcome="alive",replica="b"} 4

                """)
        let again = registry.counter("homing_probes_total", help: "P?", labels: ["replica": "a", "outcome": "alive"])
        #expect(again !== a && again.value == 0)
    }

    @Test func `series past the limit count, are not shown, and are themselves counted`() {
        let registry = MetricRegistry(maxSeries: 2)
        for replica in ["a", "b", "c", "d"] {
            let gauge = registry.gauge("homing_g", help: "G?", labels: ["replica": replica])
            gauge.set(7)
            #expect(gauge.value == 7)
        }
        let text = registry.exposition()
        #expect(text.contains("homing_metric_series_dropped_total 2\n"))
        #expect(text.contains("homing_g{replica=\"b\"} 7\n"))
        #expect(!text.contains("\"c\""))
        registry.removeSeries(labels: ["replica": "a"])
        registry.gauge("homing_g", help: "G?", labels: ["replica": "c"]).set(8)
        #expect(registry.exposition().contains("homing_g{replica=\"c\"} 8\n"))
    }

    @Test func `a grid reaches its cells by position and shows those that counted`() {
        let registry = MetricRegistry()
        let grid = registry.counterGrid(
            "homing_streams_total", help: "S?", labels: ["cluster": "chat"],
            rows: ("method", ["Predict", "Health"]), columns: ("status", ["OK", "CANCELLED", "UNKNOWN"]))
        grid[0, 1].add()
        grid[1, 2].add(5)
        let lines = registry.exposition().split(separator: "\n").filter { $0.hasPrefix("homing_streams_total") }
        #expect(
            lines == [
                #"homing_streams_total{cluster="chat",method="Health",status="UNKNOWN"} 5"#,
                #"homing_streams_total{cluster="chat",method="Predict",status="CANCELLED"} 1"#,
            ])
    }
}

/// Mistakes that only we can make end the process with a sentence.
@Suite struct MetricMistakeTests {
    @Test func `a name outside of homing traps`() async {
        await #expect(processExitsWith: .failure) { _ = MetricRegistry().gauge("other_g", help: "G?") }
        await #expect(processExitsWith: .failure) { _ = MetricRegistry().gauge("homing_G", help: "G?") }
        await #expect(processExitsWith: .failure) { _ = MetricRegistry().gauge("homing_", help: "G?") }
    }

    @Test func `a counter without _total and a gauge with it trap`() async {
        await #expect(processExitsWith: .failure) { _ = MetricRegistry().counter("homing_a", help: "A?") }
        await #expect(processExitsWith: .failure) { _ = MetricRegistry().gauge("homing_a_total", help: "A?") }
    }

    @Test func `another kind, help, label name or bound for a known name traps and says so`() async throws {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let registry = MetricRegistry()
            _ = registry.gauge("homing_g", help: "G?")
            registry.observed("homing_g", help: "G?", kind: .gauge) { emit in emit(1) }
            _ = registry.gauge("homing_g", help: "H?")
        }
        let said = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        #expect(said.contains("metric homing_g is already registered with another help text"))
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            registry.observed("homing_a_total", help: "A?", kind: .counter) { emit in emit(1) }
            registry.observed("homing_a_total", help: "A?", kind: .gauge) { emit in emit(1) }
        }
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.gauge("homing_g", help: "G?", labels: ["a": "1"])
            _ = registry.gauge("homing_g", help: "G?", labels: ["b": "1"])
        }
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.histogram("homing_h", help: "H?", bounds: [1, 2], labels: ["a": "1"])
            _ = registry.histogram("homing_h", help: "H?", bounds: [1, 3], labels: ["a": "2"])
        }
    }

    @Test func `what is declared is named before it has a series, and described with its labels`() {
        let registry = MetricRegistry()
        registry.declare("homing_probes_total", help: "P?", kind: .counter, labels: ["replica", "outcome"])
        registry.observed("homing_busy", help: "B?", kind: .gauge) { emit in emit(1, ["replica": "a"]) }
        #expect(registry.exposition().contains("# HELP homing_probes_total P?\n# TYPE homing_probes_total counter\n"))
        #expect(!registry.exposition().contains("homing_probes_total{"))
        let described = registry.descriptions().filter { $0.name != "homing_metric_series_dropped_total" }
        #expect(
            described == [
                MetricDescription(name: "homing_busy", kind: .gauge, help: "B?", labels: ["replica"]),
                MetricDescription(
                    name: "homing_probes_total", kind: .counter, help: "P?", labels: ["outcome", "replica"]),
            ])
        registry.counter("homing_probes_total", help: "P?", labels: ["replica": "a", "outcome": "alive"]).add()
        #expect(registry.exposition().contains("homing_probes_total{outcome=\"alive\",replica=\"a\"} 1\n"))
    }

    @Test func `label names of histograms' parts and falling bounds trap`() async {
        await #expect(processExitsWith: .failure) {
            _ = MetricRegistry().gauge("homing_g", help: "G?", labels: ["le": "1"])
        }
        await #expect(processExitsWith: .failure) { _ = MetricRegistry().gauge("homing_g_sum", help: "G?") }
        await #expect(processExitsWith: .failure) { _ = Histogram(bounds: [2, 1], unit: .whole) }
        await #expect(processExitsWith: .failure) { _ = Histogram(bounds: Array(1...24), unit: .whole) }
    }
}
