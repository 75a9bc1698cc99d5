import ArgumentParser
import Foundation
import Replay
import Routing

/// `homing replay`: a trace through simulated replicas, policy by policy.
struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Run a trace through simulated replicas on virtual time and compare policies.",
        usage: """
            homing replay [options] <file>
            homing replay [options] --family conversations
            """,
        discussion: """
            The file has one JSON object per line: timestamp (ms) and output_length with input_length and hash_ids \
            (Mooncake's format, a hash_id for each 512 tokens) or with prompt, a text. The policies decide with the same \
            code as in 'homing serve'; only the replicas and the time are made up.

            Policies: \(ReplayPolicy.all.map(\.name).joined(separator: ", ")).
            """)

    @Argument(help: "The trace, JSON lines.")
    var file: String?

    @Option(help: "Made-up traffic instead: \(SyntheticFamily.allCases.map(\.rawValue).joined(separator: ", ")).")
    var family: SyntheticFamily?

    @Option(help: "Requests of made-up traffic.")
    var requests = 10_000

    @Option(help: "Where made-up traffic and random choices begin.")
    var seed: UInt64 = 1

    @Option(help: "Simulated replicas.")
    var replicas = 8

    @Option(help: "Tokens that a replica's cache holds.")
    var cacheTokens = 2_000_000

    @Option(help: "Prompt tokens that a replica computes per second.")
    var prefill = 8_000.0

    @Option(help: "Time that each prompt takes besides, in milliseconds.")
    var overheadMs = 0.0

    @Option(help: "Output tokens of a stream per second.")
    var decode = 50.0

    @Option(help: "Streams that a replica works on at a time; 0: as many as come.")
    var slots = 0

    @Option(help: "Share by which durations vary at random, 0 to 1.")
    var noise = 0.0

    @Option(help: "Arrivals come this many times as fast.")
    var speed: Double?

    @Option(help: "Arrivals come so fast that this share of the fleet is needed if nothing cached is computed twice.")
    var utilisation: Double?

    @Option(help: "What to compare, separated by commas.")
    var policies = "round_robin,least_in_flight,power_of_two,consistent_hash,prefix_cache,expected_ttft"

    @Option(help: "Longest time that expected_ttft holds a prompt while every replica is busy; 0 holds none.")
    var maxWaitMs = 30_000

    @Option(help: "Prefill tokens per second that expected_ttft starts from.")
    var startPrefill: Double?

    @Option(help: "Tokens per cache that expected_ttft starts from.")
    var startCacheTokens: Int?

    @Flag(help: "Print a JSON list of objects instead of a table.")
    var json = false

    @Option(help: "Also write a page with the curves of every policy.")
    var html: String?

    private var chosen: [ReplayPolicy?] {
        self.policies.split(separator: ",").map { ReplayPolicy(name: String($0)) }
    }

    func validate() throws {
        guard (self.file == nil) != (self.family == nil) else { throw ValidationError("Name a file or a --family.") }
        guard self.speed == nil || self.utilisation == nil else {
            throw ValidationError("--speed and --utilisation exclude each other.")
        }
        guard !self.chosen.isEmpty, !self.chosen.contains(nil) else {
            throw ValidationError("--policies knows \(ReplayPolicy.all.map(\.name).joined(separator: ", ")).")
        }
        guard (1...4_096).contains(self.replicas), self.cacheTokens >= Trace.blockTokens, self.prefill > 0,
            self.decode > 0, self.overheadMs >= 0, self.slots >= 0, (0...1).contains(self.noise),
            (1...10_000_000).contains(self.requests), self.speed ?? 1 > 0, self.utilisation ?? 1 > 0,
            self.startPrefill ?? 1 > 0, self.startCacheTokens ?? 1 > 0, (0...86_400_000).contains(self.maxWaitMs)
        else { throw ValidationError("Numbers are positive; --replicas is at most 4096, --noise at most 1.") }
    }

    func run() throws {
        var trace = try self.loadTrace()
        guard !trace.requests.isEmpty else { throw self.bad("the trace is empty") }
        let fleet = self.fleet
        if let utilisation = self.utilisation {
            let natural = trace.utilisation(fleet)
            guard natural > 0 else { throw self.bad("all arrives at once: there is no rate to scale") }
            trace = trace.faster(utilisation / natural)
        } else if let speed = self.speed {
            trace = trace.faster(speed)
        }
        var rows: [ReplayRow] = []
        var curves: [(name: String, result: ReplayResult)] = []
        for policy in self.chosen.compactMap({ $0 }) {
            let count = trace.requests.count
            let progress = Progress(policy.name)
            let result = policy.run(trace, fleet, settings: self.settings) { ended in
                progress.update("\(policy.name): \(ended) of \(count)")
            }
            progress.end()
            rows.append(ReplayRow(policy: policy.name, result))
            curves.append((policy.name, result))
        }
        if let html = self.html {
            do {
                try Data(ReplayPage.html(trace: trace.name, curves).utf8).write(to: URL(fileURLWithPath: html))
            } catch {
                throw ExitReason.cannotServe("cannot write \(html)")
            }
        }
        print(self.json ? try ReplayRow.json(rows) : ReplayRow.table(rows))
    }

    private var fleet: FleetSettings {
        var fleet = FleetSettings()
        fleet.replicas = self.replicas
        fleet.replica.cacheTokens = self.cacheTokens
        fleet.replica.prefillTokensPerSecond = self.prefill
        fleet.replica.overheadSeconds = self.overheadMs / 1_000
        fleet.replica.secondsPerOutputToken = 1 / self.decode
        fleet.replica.slots = self.slots
        fleet.noise = self.noise
        fleet.seed = self.seed
        return fleet
    }

    private var settings: RoutingSettings {
        var settings = RoutingSettings()
        settings.seed = self.seed
        settings.expectedTTFT.maxWaitMs = self.maxWaitMs
        settings.expectedTTFT.slots = self.slots
        if let rate = self.startPrefill { settings.expectedTTFT.prefillTokensPerSecond = rate }
        if let tokens = self.startCacheTokens { settings.expectedTTFT.cacheTokens = tokens }
        return settings
    }

    private func loadTrace() throws -> Trace {
        if let family = self.family { return .synthetic(family, requests: self.requests, seed: self.seed) }
        return try Trace.read(self.file ?? "", self.bad)
    }

    private func bad(_ why: String) -> ExitCode {
        ExitReason.printError("homing: \(why)")
        return ExitReason.badConfiguration
    }
}

extension SyntheticFamily: ExpressibleByArgument {}
