import Logging
import Transport
import Upstream

/// What a process does that takes another's place.
enum Succession {
    /// How long to wait for the first probes: a replica that does not answer is no reason not to take over.
    private static let probeLimit = Duration.seconds(5)
    /// How long the old process may take for each of its words; one that hangs keeps its connections and nothing else.
    private static let wordLimitMs = 10_000

    /// Returns when every replica has been probed, so that the first call finds the fleet as the old process knew it.
    static func probed(_ clusters: [Cluster]) async {
        let deadline = ContinuousClock.now + self.probeLimit
        while ContinuousClock.now < deadline,
            clusters.contains(where: { $0.rows().contains { $0.probe == nil } })
        {
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    /// Tells the old process that we serve, and returns when it has let go.
    static func takeOver(
        from predecessor: Predecessor, _ sockets: OpenSockets, _ plan: SocketPlan, _ log: Logger
    ) async {
        let channel = predecessor.channel
        channel.say(.ready)
        // Whatever comes, or does not: from here on there is nobody else who would accept for long.
        _ = await channel.answer(withinMs: self.wordLimitMs)
        await sockets.resume()
        channel.say(.accepting)
        let answer = await channel.answer(withinMs: self.wordLimitMs)
        sockets.takeFiles(plan.ownedFiles)
        let old =
            switch answer {
            case .word: "drains"
            case .gone, .failed: "gone"
            case .timedOut: "silent"
            }
        log.info("took over", metadata: ["old_process": "\(old)"])
    }
}
