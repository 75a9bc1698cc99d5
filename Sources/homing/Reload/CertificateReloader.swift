import Admin
import Logging
import ServiceLifecycle
import Synchronization
import Telemetry
import Transport

/// Takes up new certificates while the process runs: each set of files is looked at on its own timer, and all at once at a
/// reload, which also brings other files. Files that are of no use change nothing.
final class CertificateReloader: Service {
    /// One set of files, read for a reload and not in use yet.
    struct Prepared: Sendable {
        /// The section that it is from.
        let path: String
        let isNew: Bool
        fileprivate let owner: Certificates.Watched
        fileprivate let files: TLSContext.Prepared
    }

    enum Preparation: Sendable {
        case prepared([Prepared])
        case problems([ReloadReport.Problem])
    }

    private enum Outcome: String, CaseIterable {
        case replaced
        case failed
    }

    private static let name = "homing_tls_reloads_total"
    private static let help = "Times that changed certificate files were read, by what came of it."

    private let certificates: Certificates
    /// By owner, how often its files are looked at. Zero: at reloads only.
    private let intervals: Mutex<[String: Int]>
    private let log: Logger
    private let registry: MetricRegistry

    /// Between two looks at whether to look.
    private static let idle = Duration.seconds(1)

    init(_ certificates: Certificates, registry: MetricRegistry, log: Logger) {
        let all = certificates.watched
        self.certificates = certificates
        self.intervals = Mutex(Dictionary(all.map { ($0.owner, $0.intervalMs) }) { $1 })
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
                for watched in self.certificates.watched { group.addTask { await self.watch(watched) } }
            }
        }
        // With nothing to watch, too: a service that returns ends the process.
        try? await gracefulShutdown()
    }

    // MARK: - Reloads

    /// Reads every file that the settings name, changed or not.
    func prepare(_ settings: ServeSettings) -> Preparation {
        var prepared: [Prepared] = []
        var problems: [ReloadReport.Problem] = []
        for watched in self.certificates.watched {
            do throws(TLSProblem) {
                guard let files = try watched.prepare(settings) else { continue }
                prepared.append(Prepared(path: watched.path, isNew: files.isNew, owner: watched, files: files))
            } catch {
                self.counter(watched, .failed).add()
                self.tell(watched, error)
                problems.append(.init(path: watched.path, line: nil, text: "\(error)"))
            }
        }
        return problems.isEmpty ? .prepared(prepared) : .problems(problems)
    }

    /// New connections use what was prepared.
    func take(_ prepared: [Prepared], _ settings: ServeSettings) {
        for one in prepared {
            one.owner.context.take(one.files)
            self.intervals.withLock { $0[one.owner.owner] = one.owner.intervalMs(in: settings) }
            if one.isNew { self.replaced(one.owner) }
        }
    }

    // MARK: - Timers

    private func watch(_ watched: Certificates.Watched) async {
        while true {
            let interval = self.intervals.withLock { $0[watched.owner] } ?? 0
            guard (try? await Task.sleep(for: interval > 0 ? .milliseconds(interval) : Self.idle)) != nil else {
                return
            }
            guard interval > 0 else { continue }
            switch watched.context.reload() {
            case .unchanged: ()
            case .replaced: self.replaced(watched)
            case .kept(let problem):
                self.counter(watched, .failed).add()
                self.tell(watched, problem)
            }
        }
    }

    private func replaced(_ watched: Certificates.Watched) {
        self.counter(watched, .replaced).add()
        self.log.info("certificates reloaded", metadata: ["owner": "\(watched.owner)"])
    }

    private func tell(_ watched: Certificates.Watched, _ problem: TLSProblem) {
        self.log.error(
            "certificates not reloaded, the old ones stay",
            metadata: ["owner": "\(watched.owner)", "problem": "\(problem)"])
    }

    private func counter(_ watched: Certificates.Watched, _ outcome: Outcome) -> Counter {
        self.registry.counter(
            Self.name, help: Self.help, labels: ["owner": watched.owner, "outcome": outcome.rawValue])
    }
}
