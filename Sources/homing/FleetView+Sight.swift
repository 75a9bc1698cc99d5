import Admin
import Logging

/// What operators see of the recent past.
extension FleetView {
    func discovery() -> [DiscoverySnapshot] { DiscoveryView.snapshots(of: self.sources) }
    func decisions(_ limit: Int) -> [DecisionSnapshot] { self.sight.decisions(limit) }
    func events(_ limit: Int, after: Int) -> [EventSnapshot] { self.sight.events(limit, after: after) }
    func history() -> TrafficHistory { self.sight.traffic.history }
    var settings: SettingsSnapshot { self.sight.settings }
    var logLevel: String { self.sight.events.level.rawValue }

    func setLogLevel(_ name: String) -> Bool {
        guard let level = Logger.Level(rawValue: name) else { return false }
        self.sight.events.level = level
        return true
    }
}
