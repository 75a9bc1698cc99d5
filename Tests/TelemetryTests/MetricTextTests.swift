import Telemetry
import Testing

@Suite struct MetricTextTests {
    @Test func `the whole text is sorted, typed once per family and cumulative`() {
        let registry = MetricRegistry()
        let first = registry.histogram(
            "homing_first_seconds", help: "How soon?", bounds: [.microseconds(2_500), .seconds(1)],
            labels: ["cluster": "chat"])
        first.record(.milliseconds(2))
        first.record(.milliseconds(500))
        first.record(.milliseconds(500))
        first.record(.seconds(90))
        let blocks = registry.histogram("homing_blocks", help: "How many?", bounds: [1, 8])
        blocks.record(8)
        registry.gauge("homing_zero", help: "Nothing?").set(-3)
        registry.counter("homing_picks_total", help: "Why?", labels: ["reason": "warm", "cluster": "b"]).add(2)
        registry.counter("homing_picks_total", help: "Why?", labels: ["reason": "idle", "cluster": "b"]).add(1)
        _ = registry.counter("homing_picks_total", help: "Why?", labels: ["reason": "warm", "cluster": "a"])
        #expect(
            registry.exposition() == """
                # HELP homing_blocks How many?
                # TYPE homing_blocks histogram
                homing_blocks_bucket{le="1"} 0
                homing_blocks_bucket{le="8"} 1
                homing_blocks_bucket{le="+Inf"} 1
                homing_blocks_sum 8
                homing_blocks_count 1
                # HELP homing_first_seconds How soon?
                # TYPE homing_first_seconds histogram
                homing_first_seconds_bucket{cluster="chat",le="0.0025"} 1
                homing_first_seconds_bucket{cluster="chat",le="1"} 3
                homing_first_seconds_bucket{cluster="chat",le="+Inf"} 4
                homing_first_seconds_sum{cluster="chat"} 91.002
                homing_first_seconds_count{cluster="chat"} 4
                # HELP homing_metric_series_dropped_total Series that are not shown because their metric has too many.
                # TYPE homing_metric_series_dropped_total counter
                homing_metric_series_dropped_total 0
                # HELP homing_picks_total Why?
                # TYPE homing_picks_total counter
                homing_picks_total{cluster="a",reason="warm"} 0
                homing_picks_total{cluster="b",reason="idle"} 1
                homing_picks_total{cluster="b",reason="warm"} 2
                # HELP homing_zero Nothing?
                # TYPE homing_zero gauge
                homing_zero -3

                """)
    }

    @Test func `label values and help cannot break out of their line`() {
        let registry = MetricRegistry()
        registry.gauge("homing_g", help: "a \"b\" \\ c\nd", labels: ["model": "x\"} 1\n\\homing_forged 2\r\n"]).set(1)
        let lines = registry.exposition().utf8.split(separator: UInt8(ascii: "\n")).map { String($0)! }
        #expect(lines[0] == #"# HELP homing_g a "b" \\ c\nd"#)
        #expect(lines[2] == #"homing_g{model="x\"} 1\n\\homing_forged 2"# + "\r" + #"\n"} 1"#)
        #expect(lines.count == 6)
    }

    @Test func `values that others keep are asked for at every scrape, one per set of labels`() {
        let registry = MetricRegistry()
        let seen = registry.counter("homing_asked_total", help: "Asked?")
        registry.observed("homing_state", help: "State?", kind: .gauge) { emit in
            // What a callback counts or registers must not wait for the scrape itself.
            seen.add()
            _ = registry.gauge("homing_other", help: "Other?")
            emit(1, ["replica": "b", "state": "ready"])
            emit(0, ["state": "out", "replica": "b"])
            emit(1, ["replica": "b", "state": "ready"])
        }
        registry.observed("homing_state", help: "State?", kind: .gauge) { emit in
            emit(0.25, ["replica": "a", "state": "ready"])
            emit(.infinity, ["replica": "a", "state": "x"])
            emit(.nan, ["replica": "a", "state": "y"])
        }
        _ = registry.exposition()
        let lines = registry.exposition().split(separator: "\n").filter { $0.contains("homing_state") }
        #expect(
            lines == [
                "# HELP homing_state State?",
                "# TYPE homing_state gauge",
                #"homing_state{replica="a",state="ready"} 0.25"#,
                #"homing_state{replica="a",state="x"} +Inf"#,
                #"homing_state{replica="a",state="y"} NaN"#,
                #"homing_state{replica="b",state="out"} 0"#,
                #"homing_state{replica="b",state="ready"} 1"#,
            ])
        #expect(seen.value == 2)
    }
}
