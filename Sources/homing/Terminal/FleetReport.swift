import Admin
import Foundation
import Transport

/// What the admin port says of the fleet at one moment, and how a terminal shows it.
struct FleetReport {
    let address: String
    let isReady: Bool
    let readiness: String
    let clusters: [ClusterSnapshot]
    let replicas: [ReplicaSnapshot]
    let sources: [DiscoverySnapshot]
    let history: TrafficHistory
    /// The lists as the port wrote them, for --json.
    private let written: [String]

    init(asking client: AdminClient) async throws(AdminClient.Failure) {
        let ready = try await client.get("/ready")
        self.address = client.address.description
        self.isReady = ready.status == 200
        self.readiness = String(decoding: ready.body, as: UTF8.self)
        let clusters = try await client.get("/api/clusters")
        let replicas = try await client.get("/api/replicas")
        let sources = try await client.get("/api/discovery")
        self.history = try await client.get("/api/history", as: TrafficHistory.self)
        self.written = [clusters.body, replicas.body, sources.body].map {
            String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        guard let clusterList = try? JSONDecoder().decode(ClusterList.self, from: clusters.body),
            let replicaList = try? JSONDecoder().decode(ReplicaList.self, from: replicas.body),
            let sourceList = try? JSONDecoder().decode(DiscoveryList.self, from: sources.body)
        else {
            throw AdminClient.Failure(description: "\(client.address) answers as another version of homing does")
        }
        self.clusters = clusterList.clusters
        self.replicas = replicaList.replicas
        self.sources = sourceList.sources
    }

    /// One line of JSON: `ready`, `readiness`, `clusters` as /api/clusters, `replicas` as /api/replicas, `sources`
    /// as /api/discovery.
    var json: String {
        let inner = self.written.map { String($0.dropFirst().dropLast()) }
        let encoded = try? JSONEncoder().encode(self.readiness)
        let readiness = encoded.map { String(decoding: $0, as: UTF8.self) } ?? "null"
        return #"{"ready":\#(self.isReady),"readiness":\#(readiness),\#(inner.joined(separator: ","))}"#
    }

    /// A line for the whole, one for each cluster and each of its sources, a table of its replicas.
    func lines(_ style: TerminalStyle) -> [String] {
        let verdict = style.painted(self.isReady ? "● ready" : "✕ \(self.readiness)", self.isReady ? .good : .bad)
        var lines = ["\(style.painted("homing", .strong)) at \(self.address)  \(verdict)"]
        for cluster in self.clusters {
            let models = cluster.models.isEmpty ? "every model" : cluster.models.joined(separator: ", ")
            lines.append("")
            lines.append(
                "\(style.painted(cluster.name, .strong))  \(models), \(cluster.policy), "
                    + "\(cluster.usableReplicas) of \(cluster.replicas) usable, \(cluster.inFlight) in flight, "
                    + (cluster.queue.waiting > 0 ? "\(cluster.queue.waiting) waiting, " : "")
                    + "\(cluster.picks) picks")
            for source in self.sources where source.cluster == cluster.name {
                lines.append(Self.line(of: source, style))
            }
            lines += self.table(of: cluster).lines(style)
        }
        return lines
    }

    private static func line(of source: DiscoverySnapshot, _ style: TerminalStyle) -> String {
        let found = "\(source.source): \(source.subject), \(source.replicas.count) found"
        guard let problem = source.problem else { return found }
        return "\(found), \(style.painted("✕ \(problem)", .bad))"
    }

    private func table(of cluster: ClusterSnapshot) -> TextTable {
        var table = TextTable([
            .text("replica"), .text("state"), .number("since"), .number("in flight"), .number("picks"),
            .number("prompts"), .number("held"), .number("first token"), .text("model"), .text("last probe"),
            .text("why"),
        ])
        for replica in self.replicas where replica.cluster == cluster.name {
            let recent = self.traffic(of: replica)
            let probe = replica.lastProbe.map { probe in
                probe.outcome + (probe.latencyMs.map { " \(Spoken.duration(ms: $0))" } ?? "")
            }
            table.add([
                .init(text: replica.id, paint: .strong),
                .init(text: Self.mark(replica) + " " + replica.state, paint: Self.paint(replica)),
                .init(text: Spoken.span(ms: replica.sinceMs)), .init(text: Self.load(of: replica)),
                .init(text: String(replica.picks)), .init(text: String(recent.prompts)),
                .init(
                    text: Spoken.share(
                        recent.promptBytes > 0 ? Double(recent.matchedBytes) / Double(recent.promptBytes) : nil)),
                .init(text: Spoken.duration(ms: recent.firstResponseMs)),
                .init(text: replica.modelLoaded.map { $0 ? "loaded" : "none" } ?? "-"),
                .init(text: probe ?? "-"), .init(text: replica.why, paint: .faint),
            ])
        }
        return table
    }

    /// Sums over the last five minutes.
    func traffic(of replica: ReplicaSnapshot) -> TrafficHistory.Share {
        var sum = TrafficHistory.Share(
            cluster: replica.cluster, replica: replica.id, picks: 0, prompts: 0, hits: 0, promptBytes: 0,
            matchedBytes: 0, firstResponses: 0, firstResponseMs: nil)
        var totalMs = 0.0
        for point in self.history.points.suffix(300_000 / max(1, self.history.intervalMs)) {
            for share in point.replicas where share.cluster == replica.cluster && share.replica == replica.id {
                sum.picks += share.picks
                sum.prompts += share.prompts
                sum.hits += share.hits
                sum.promptBytes += share.promptBytes
                sum.matchedBytes += share.matchedBytes
                sum.firstResponses += share.firstResponses
                totalMs += Double(share.firstResponses) * (share.firstResponseMs ?? 0)
            }
        }
        if sum.firstResponses > 0 { sum.firstResponseMs = totalMs / Double(sum.firstResponses) }
        return sum
    }

    /// Streams, of as many as it takes where that is known.
    private static func load(of replica: ReplicaSnapshot) -> String {
        let slots = replica.maxInFlight ?? replica.estimates?.slots ?? 0
        return slots > 0 ? "\(replica.inFlight) of \(slots)" : String(replica.inFlight)
    }

    private static func mark(_ replica: ReplicaSnapshot) -> String {
        replica.state == "available" ? "●" : replica.usable ? "▲" : "✕"
    }

    private static func paint(_ replica: ReplicaSnapshot) -> TerminalPaint {
        replica.state == "available" ? .good : replica.usable ? .wait : .bad
    }
}
