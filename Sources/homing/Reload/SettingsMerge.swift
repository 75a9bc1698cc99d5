import Config
import Proxy
import Transport
import Upstream

/// What of new settings can be taken up while the process runs, and what cannot. A value.
///
/// ```
/// in use ──┐
///          ├──► applied: the new settings wherever they can change, the old ones elsewhere
/// wanted ──┘       changed = applied − in use      restart required = wanted − applied
/// ```
struct SettingsMerge {
    private(set) var applied: ServeSettings
    /// Keys whose new value is in use, once `applied` is.
    let changed: [String]
    /// Keys whose new value is not in use before a restart.
    let restartRequired: [String]

    /// - Parameter mayLogToFile: whether the access log's file was opened at the start, or there is none.
    init(_ current: ServeSettings, _ wanted: ServeSettings, mayLogToFile: Bool) {
        var applied = current
        applied.admin.auth = wanted.admin.auth
        applied.proxy = wanted.proxy
        applied.logLevel = wanted.logLevel
        applied.reloadIntervalMs = wanted.reloadIntervalMs
        applied.accessLog.format = wanted.accessLog.format
        applied.accessLog.sampleShare = wanted.accessLog.sampleShare
        if mayLogToFile || !wanted.accessLog.enabled { applied.accessLog.enabled = wanted.accessLog.enabled }
        applied.takeClusters(of: wanted)
        applied.takeListeners(of: wanted)
        // What stays as it is may contradict what changes: then nothing of both changes.
        if !applied.contradictions(lines: [:]).isEmpty {
            applied.clusters = current.clusters
            applied.defaultCluster = current.defaultCluster
        }
        if !applied.contradictions(lines: [:]).isEmpty { applied = current }
        self.applied = applied
        self.changed = Self.differences(current, applied)
        self.restartRequired = Self.differences(applied, wanted)
    }

    // MARK: - Differences

    /// Paths of the keys that differ. A list whose elements are others is one key.
    static func differences(_ old: ServeSettings, _ new: ServeSettings) -> [String] {
        var paths: [String] = []
        self.compare(ConfigText.records(of: old), ConfigText.records(of: new), at: "", &paths)
        // Records do not show what a secret is.
        for index in old.listeners.indices where index < new.listeners.count {
            if old.listeners[index].auth != new.listeners[index].auth {
                paths.append("listeners[\(index)].auth.tokens")
            }
        }
        for index in old.clusters.indices where index < new.clusters.count {
            if old.clusters[index].auth.token != new.clusters[index].auth.token {
                paths.append("clusters[\(index)].auth.token")
            }
        }
        if old.admin.auth != new.admin.auth { paths.append("admin.auth.tokens") }
        var seen: Set<String> = []
        return paths.filter { seen.insert($0).inserted }
    }

    private static func compare(_ old: [KeyRecord], _ new: [KeyRecord], at path: String, _ paths: inout [String]) {
        for (before, after) in zip(old, new) {
            let place = path.isEmpty ? before.key : "\(path).\(before.key)"
            switch (before.content, after.content) {
            case (.section(let left), .section(let right)): self.compare(left, right, at: place, &paths)
            case (.sections(let left, _), .sections(let right, _)) where left.count == right.count:
                var inside: [String] = []
                for index in left.indices {
                    self.compare(left[index], right[index], at: "\(place)[\(index)]", &inside)
                }
                // Who the replicas are is one thing to say.
                let isOneKey = ["replicas", "tokens", "discovery"].contains(before.key)
                paths += isOneKey && !inside.isEmpty ? [place] : inside
            case (let left, let right):
                if !Self.isSame(left, right) { paths.append(place) }
            }
        }
    }

    private static func isSame(_ left: KeyRecord.Content, _ right: KeyRecord.Content) -> Bool {
        switch (left, right) {
        case (.value(let left), .value(let right)): left.text == right.text && left.isText == right.isText
        case (.values(let left), .values(let right)): left.map(\.text) == right.map(\.text)
        case (.unset, .unset), (.unsetSection, .unsetSection): true
        case (.secret(let left), .secret(let right)): left == right
        default: false
        }
    }
}

extension ServeSettings {
    /// Clusters are told apart by name; which there are does not change.
    fileprivate mutating func takeClusters(of wanted: ServeSettings) {
        for index in self.clusters.indices {
            guard var cluster = wanted.clusters.first(where: { $0.name == self.clusters[index].name }) else { continue }
            // Streams would have to be told apart by when their connection was made.
            if (cluster.tls == nil) != (self.clusters[index].tls == nil) { cluster.tls = self.clusters[index].tls }
            cluster.model.stateFile = self.clusters[index].model.stateFile
            self.clusters[index] = cluster
        }
        self.defaultCluster = wanted.defaultCluster
    }

    /// Listeners are told apart by their addresses, which do not change; several on any free port by their order.
    fileprivate mutating func takeListeners(of wanted: ServeSettings) {
        var others = wanted.listeners
        for index in self.listeners.indices {
            guard let place = others.firstIndex(where: { $0.address == self.listeners[index].address }) else {
                continue
            }
            let other = others.remove(at: place)
            self.listeners[index].auth = other.auth
            if self.listeners[index].tls != nil, let tls = other.tls { self.listeners[index].tls = tls }
        }
    }
}
