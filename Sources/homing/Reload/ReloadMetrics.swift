import Admin
import Foundation
import Synchronization
import Telemetry

/// What is counted about reloads. Safe to use from every thread.
final class ReloadMetrics: Sendable {
    private let counters: [ReloadReport.Result: Counter]
    private let generation: Gauge
    private let lastSuccess: Gauge

    /// The start is a success: the settings were read then.
    init(generation: Int, registry: MetricRegistry) {
        self.counters = Dictionary(
            uniqueKeysWithValues: ReloadReport.Result.allCases.map { result in
                (
                    result,
                    registry.counter(
                        "homing_config_reloads_total",
                        help: "Times that the settings were read again, by what came of it.",
                        labels: ["result": result.rawValue])
                )
            })
        self.generation = registry.gauge(
            "homing_config_generation", help: "Counts the settings of this process, from 1.")
        self.lastSuccess = registry.gauge(
            "homing_config_last_reload_success_timestamp_seconds",
            help: "When the settings in use were read, in seconds since 1970: at the last reload that found no problem."
        )
        self.generation.set(generation)
        self.lastSuccess.set(Self.now)
    }

    func counted(_ result: ReloadReport.Result, generation: Int? = nil) {
        self.counters[result]?.add()
        if let generation { self.generation.set(generation) }
        switch result {
        case .success, .unchanged: self.lastSuccess.set(Self.now)
        case .failure: ()
        }
    }

    private static var now: Int { Int(Date().timeIntervalSince1970) }
}
