import Admin

extension DecisionSnapshot {
    static let warm = DecisionSnapshot(
        id: "0-7", unixMs: 1_762_000_000_000, cluster: "chat", method: "PredictStream", replica: "a",
        reason: "prefix_match", diverted: false, retries: 0, promptBytes: 4_096, matchedBytes: 3_072,
        matchedShare: 0.75, expectedMs: 80.5, observedMs: nil, candidateCount: 2,
        candidates: [
            Candidate(replica: "a", inFlight: 1, matchedShare: 0.75),
            Candidate(replica: "b", inFlight: 0, matchedShare: nil),
        ])
}

extension EventSnapshot {
    static let gone = EventSnapshot(
        id: 1, unixMs: 1_762_000_000_000, level: "info", message: "replica changed",
        fields: ["replica": "a", "from": "available", "to": "unreachable"])
    static let back = EventSnapshot(
        id: 2, unixMs: 1_762_000_001_000, level: "warning", message: "model load failed", fields: ["replica": "</b>"])
}

extension TrafficHistory {
    static let twoIntervals = TrafficHistory(
        intervalMs: 5_000,
        points: [
            Point(unixMs: 1_762_000_000_000, replicas: []),
            Point(
                unixMs: 1_762_000_005_000,
                replicas: [
                    Share(
                        cluster: "chat", replica: "a", picks: 3, prompts: 2, hits: 1, promptBytes: 200,
                        matchedBytes: 100, firstResponses: 0, firstResponseMs: nil)
                ]),
        ])
}

extension SettingsSnapshot {
    static let small = SettingsSnapshot(
        generation: 1,
        settings: .section([
            "threads": .int(0), "clusters": .list([.section(["name": .text("chat"), "token": .text("<set>")])]),
            "tls": .null, "share": .double(0.5), "on": .bool(true),
        ]))
}
