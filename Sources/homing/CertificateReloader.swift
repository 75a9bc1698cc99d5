import Logging
import ServiceLifecycle
import Telemetry
import Transport

/// Takes up new certificates while the process runs: each set of files is looked at on its own timer, and all at once
/// when somebody asks. Files that are of no use change nothing.
struct CertificateReloader: Service {
    private static let name = "homing_tls_reloads_total"
    private static let help = "Times that changed certificate files were read, by what came of it."

    private let all: [Certificates.Watched]
    private let log: Logger
    private let registry: MetricRegistry

    private enum Outcome: String, CaseIterable {
        case replaced
        case failed
    }

    init(_ certificates: Certificates, registry: MetricRegistry, log: Logger) {
        let all = certificates.watched
        self.all = all
        self.log = log
        self.registry = registry
        registry.declare(Self.name, help: Self.help, kind: .counter, labels: ["owner", "outcome"])
        for watched in all {
            for outcome in Outcome.allCases { _ = self.counter(watched, outcome) }
        }
        let expiry = "homing_tls_certificate_expiry_seconds"
        let help = "When the certificate that is in use ends, in seconds since 1970."
        registry.declare(expiry, help: help, kind: .gauge, labels: ["owner"])
        registry.observed(expiry, help: help, kind: .gauge) { emit in
            for watched in all {
                if let expiry = watched.context.expiry { emit(expiry, ["owner": watched.owner]) }
            }
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                for watched in self.all where watched.intervalMs > 0 {
                    group.addTask { await self.watch(watched) }
                }
            }
        }
        // With nothing to watch, too: a service that returns ends the process.
        try? await gracefulShutdown()
    }

    /// Reads every file again, changed or not.
    func reloadNow() {
        for watched in self.all { self.reload(watched, force: true) }
    }

    private func watch(_ watched: Certificates.Watched) async {
        while (try? await Task.sleep(for: .milliseconds(watched.intervalMs))) != nil {
            self.reload(watched, force: false)
        }
    }

    private func reload(_ watched: Certificates.Watched, force: Bool) {
        switch watched.context.reload(force: force) {
        case .unchanged: ()
        case .replaced:
            self.counter(watched, .replaced).add()
            self.log.info("certificates reloaded", metadata: ["owner": "\(watched.owner)"])
        case .kept(let problem):
            self.counter(watched, .failed).add()
            self.log.error(
                "certificates not reloaded, the old ones stay",
                metadata: ["owner": "\(watched.owner)", "problem": "\(problem)"])
        }
    }

    private func counter(_ watched: Certificates.Watched, _ outcome: Outcome) -> Counter {
        self.registry.counter(
            Self.name, help: Self.help, labels: ["owner": watched.owner, "outcome": outcome.rawValue])
    }
}
