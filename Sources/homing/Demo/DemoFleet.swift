import Connection
import Foundation
import Routing
import Transport
import Wire

/// Three embedded workers and a proxy in front of them, each a process of its own.
final class DemoFleet: Sendable {
    static let workers = 3
    static let prefillTokensPerSecond = 1_500.0
    /// Twice as fast as by default: how long answers take is not what is shown.
    private static let decodeTokensPerSecond = 100
    private static let model = "nest-7b"
    /// How often the proxy's Health is asked while it is not OK, every 50 ms.
    private static let maxHealthCalls = 200

    let policy: PolicyName
    let proxy: Endpoint
    private let children: [ChildProcess]
    private let workerAddresses: [String]

    private init(policy: PolicyName, proxy: Endpoint, children: [ChildProcess], workerAddresses: [String]) {
        self.policy = policy
        self.proxy = proxy
        self.children = children
        self.workerAddresses = workerAddresses
    }

    /// Starts everything and loads the model through the proxy, as LocalAI would. Throws with nothing left running.
    static func start(_ policy: PolicyName, on loop: Loop) async throws -> DemoFleet {
        var children: [ChildProcess] = []
        do {
            for _ in 0..<self.workers {
                children.append(
                    try await ChildProcess.start(
                        [
                            "worker", "--listen", "127.0.0.1:0", "--log-level", "error",
                            "--prefill-tokens-per-s", "\(self.prefillTokensPerSecond)",
                            "--decode-tokens-per-s", "\(self.decodeTokensPerSecond)",
                        ], key: "grpc="))
            }
            let workers = children.map(\.address)
            let proxy = try await ChildProcess.start(
                [
                    "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--policy", policy.rawValue,
                    "--threads", "1", "--no-access-log", "--log-level", "error",
                ] + workers.flatMap { ["--replica", $0] }, key: "grpc=")
            children.append(proxy)
            let endpoint = try Endpoint(parsing: proxy.address)
            try await self.loadModel(through: endpoint, on: loop)
            return DemoFleet(policy: policy, proxy: endpoint, children: children, workerAddresses: workers)
        } catch {
            await self.stop(children)
            throw error
        }
    }

    func stop() async { await Self.stop(self.children) }

    /// From 1; nil when `replica` is none of this fleet.
    func number(of replica: String) -> Int? {
        self.workerAddresses.firstIndex(of: replica).map { $0 + 1 }
    }

    /// The proxy first: it tells nobody to go to a worker that has ended.
    private static func stop(_ children: [ChildProcess]) async {
        for child in children.reversed() { await child.stop() }
    }

    private static func loadModel(through proxy: Endpoint, on loop: Loop) async throws {
        var health = DirectCall.Request(.health, message: HealthMessage().encoded())
        health.timeoutMs = 5_000
        for call in 1... {
            if await DirectCall.run(health, to: proxy, on: loop).status?.code == .ok { break }
            guard call < self.maxHealthCalls else { throw DemoFailure("no worker became healthy") }
            // The proxy probes its replicas as it starts; until the first answer it has nobody to send us to.
            try await Task.sleep(for: .milliseconds(50))
        }
        var options = ModelOptions()
        options.model = Array(self.model.utf8)
        var load = DirectCall.Request(.loadModel, message: options.encoded())
        load.timeoutMs = 10_000
        let answer = await DirectCall.run(load, to: proxy, on: loop)
        let result = answer.messages.first.flatMap { try? BackendResult(decoding: $0) }
        guard answer.status?.code == .ok, result?.success == true else {
            throw DemoFailure("the model could not be loaded: \(answer.end)")
        }
    }
}

/// The demo cannot go on.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
