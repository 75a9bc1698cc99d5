import Admin
import Config
import Logging
import Proxy
import Routing
import Synchronization
import Telemetry
import Transport
import Upstream
import Wire

/// What operators see beside the fleet itself: picks, events, traffic, settings. `FleetView` shows it.
struct Sight: Sendable {
    let clusters: [Cluster]
    /// One for each loop.
    let logs: [DecisionLog]
    let events: EventLog
    let traffic: TrafficSampler
    private let inUse: SettingsInUse

    init(clusters: [Cluster], logs: [DecisionLog], events: EventLog, settings: ServeSettings) {
        self.clusters = clusters
        self.logs = logs
        self.events = events
        self.traffic = TrafficSampler(clusters: clusters, logs: logs)
        self.inUse = SettingsInUse(settings)
    }

    /// The settings in use.
    var shown: ServeSettings { self.inUse.settings.withLock { $0 } }
    var settings: SettingsSnapshot { SettingsSnapshot(self.shown) }

    /// These are in use from now on.
    func show(_ settings: ServeSettings) { self.inUse.settings.withLock { $0 = settings } }

    func decisions(_ limit: Int) -> [DecisionSnapshot] {
        let now = Loop.now
        let unixMs = Loop.unixMs(of: now)
        var records: [(loop: Int, record: PickRecord)] = []
        for (loop, log) in self.logs.enumerated() {
            for record in log.recent(limit) { records.append((loop, record)) }
        }
        records.sort { $0.record.atNs > $1.record.atNs }
        return records.prefix(limit).map { loop, record in
            let ageMs = Int((now - min(now, record.atNs)) / 1_000_000)
            return self.snapshot(record, loop: loop, unixMs: unixMs - ageMs)
        }
    }

    private func snapshot(_ record: PickRecord, loop: Int, unixMs: Int) -> DecisionSnapshot {
        let cluster = self.clusters[record.cluster]
        func name(_ replica: ReplicaID) -> String { cluster.name(of: replica) ?? "gone" }
        return DecisionSnapshot(
            id: "\(loop)-\(record.serial)", unixMs: unixMs, cluster: cluster.name,
            method: record.method?.rawValue ?? "other", replica: name(record.replica), reason: record.reason.name,
            diverted: record.diverted, retries: record.retries, promptBytes: record.promptBytes,
            matchedBytes: record.matchedBytes, matchedShare: Self.share(record.matchedBytes, of: record.promptBytes),
            expectedMs: record.expectedSeconds > 0 && record.expectedSeconds.isFinite
                ? record.expectedSeconds * 1_000 : nil,
            observedMs: record.observedNs > 0 ? Double(record.observedNs) / 1_000_000 : nil,
            candidateCount: record.candidates.total,
            candidates: (0..<record.candidates.count).map { position in
                let load = record.candidates[position]
                return DecisionSnapshot.Candidate(
                    replica: name(load.replica), inFlight: Int(load.inFlight),
                    matchedShare: Self.share(Int(load.matchedBlocks), of: record.promptBlocks))
            })
    }

    private static func share(_ part: Int, of whole: Int) -> Double? {
        whole > 0 ? min(1, Double(part) / Double(whole)) : nil
    }

    func events(_ limit: Int, after: Int) -> [EventSnapshot] {
        self.events.recent(limit, after: after).map {
            EventSnapshot(
                id: $0.id, unixMs: $0.unixMs, level: $0.level.rawValue, message: $0.message, fields: $0.fields)
        }
    }

    /// Metrics of prompts and of what they matched, read when they are asked for.
    func observe(in registry: MetricRegistry) {
        let (clusters, traffic) = (self.clusters, self.traffic)
        func observe(_ name: String, _ help: String, _ value: @escaping @Sendable (ReplicaTraffic) -> Int) {
            registry.observed(name, help: help, kind: .counter) { emit in
                let totals = traffic.totals
                for cluster in clusters {
                    for replica in cluster.replicas {
                        let sums = totals[replica.serial] ?? ReplicaTraffic()
                        emit(value(sums), ["cluster": cluster.name, "replica": replica.name])
                    }
                }
            }
        }
        observe("homing_replica_picks_total", "Streams given to each replica, retries included.") { $0.picks }
        observe("homing_prompts_total", "Prompts given to each replica, retries included.") { $0.prompts }
        observe("homing_prompt_hits_total", "Prompts of which the replica was believed to hold a part.") { $0.hits }
        observe("homing_prompt_bytes_total", "Prompt bytes given to each replica.") { $0.promptBytes }
        observe(
            "homing_prompt_matched_bytes_total", "Prompt bytes that the replica was believed to hold."
        ) { $0.matchedBytes }
    }
}

/// The settings in use, for whoever looks at them.
private final class SettingsInUse: Sendable {
    let settings: Mutex<ServeSettings>

    init(_ settings: ServeSettings) { self.settings = Mutex(settings) }
}

extension SettingsSnapshot {
    init(_ settings: ServeSettings) {
        self.init(generation: settings.generation, settings: .section(ConfigText.records(of: settings).json))
    }
}

extension [KeyRecord] {
    fileprivate var json: [String: SettingsSnapshot.Value] {
        [String: SettingsSnapshot.Value](self.map { ($0.key, $0.content.json) }) { $1 }
    }
}

extension KeyRecord.Content {
    fileprivate var json: SettingsSnapshot.Value {
        switch self {
        case .value(let value): value.json
        case .unset, .unsetSection: .null
        case .values(let values): .list(values.map(\.json))
        case .section(let records): .section(records.json)
        case .sections(let elements, _): .list(elements.map { .section($0.json) })
        case .secret(let source): source == nil ? .null : .text("<set>")
        }
    }
}

extension ScalarText {
    fileprivate var json: SettingsSnapshot.Value {
        if self.isText { return .text(self.text) }
        switch self.text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        default:
            if let value = Int(self.text) { return .int(value) }
            return Double(self.text).map { .double($0) } ?? .text(self.text)
        }
    }
}
