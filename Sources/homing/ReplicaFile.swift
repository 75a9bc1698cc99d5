import Config
import Discovery
import Transport
import Upstream

/// A list of replicas in a file, in YAML or JSON: at its top, or under `replicas`. Each is an address, or has `address`,
/// `weight` and `cluster`.
struct ReplicaFile: ConfigSection {
    /// Stays as it is when the file lists nothing at all, not even an empty list.
    private var replicas = [Entry()]

    private struct Entry: ConfigSection {
        var replica = ReplicaSettings()
        var cluster: String?

        /// No address that is written is like this one.
        var isBlank: Bool { self.replica == ReplicaSettings() }

        mutating func read(from section: SectionReader) {
            self.replica.read(from: section)
            section.optionalValue(
                "cluster", &self.cluster, .clusterName,
                "The cluster that it is for. Without it: every one that reads this.")
        }
    }

    init() {}

    mutating func read(from section: SectionReader) {
        section.sections("replicas", &self.replicas, shorthand: "address", "The replicas.")
    }

    /// The replicas that the file has for a cluster. Throws what is wrong with it, and where.
    static func replicas(at path: String, for cluster: String) throws(DiscoveryFailure) -> [DiscoveredReplica] {
        let bytes: [UInt8]
        do {
            bytes = try SettingsFile.bytes(of: path, atMost: ConfigText.largestFile)
        } catch {
            throw DiscoveryFailure("\(error)")
        }
        return try self.replicas(in: bytes, named: path, for: cluster)
    }

    /// The same of a file's bytes.
    static func replicas(
        in bytes: [UInt8], named path: String, for cluster: String
    ) throws(DiscoveryFailure) -> [DiscoveredReplica] {
        var file = ReplicaFile()
        let findings = ConfigText.read(bytes: bytes, into: &file, secrets: .none, listKey: "replicas")
        var problems = findings.problems
        if problems.isEmpty, file.replicas.first?.isBlank ?? false {
            problems.append(Problem(path: "", line: nil, text: "lists nothing; write [] when there is no replica"))
        }
        for (index, entry) in file.replicas.enumerated() where problems.isEmpty && entry.replica.address.port == 0 {
            let place = "replicas[\(index)]"
            problems.append(Problem(path: place, line: findings.lines[place], text: "a replica needs its port"))
        }
        if let first = problems.first {
            let more = problems.count > 1 ? " (and \(problems.count - 1) more)" : ""
            throw DiscoveryFailure(first.description(inFile: path) + more)
        }
        return file.replicas.filter { $0.cluster == nil || $0.cluster == cluster }.map {
            DiscoveredReplica(address: $0.replica.address.description, weight: $0.replica.weight)
        }
    }
}
