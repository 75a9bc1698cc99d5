import Config
import Logging
import Telemetry
import Upstream
import Wire

/// Exchanges tokens while the process runs: those of listeners, of clusters and of the admin port. All tokens of an owner
/// are replaced, or none.
struct TokenReloader: Sendable {
    /// The tokens of one listener or cluster.
    struct Owner: Sendable {
        /// `listener ADDRESS`, `cluster NAME` or `admin`.
        let name: String
        let tokens: BearerTokens
        /// What these settings say that they are.
        let wanted: @Sendable (ServeSettings) -> [BearerToken]
    }

    private enum Outcome: String, CaseIterable {
        case replaced
        case failed
    }

    private static let name = "homing_token_reloads_total"
    private static let help = "Times that changed token files were read, by what came of it."

    private let owners: [Owner]
    private let secrets: @Sendable () -> SecretSources
    private let registry: MetricRegistry
    private let log: Logger

    /// - Parameter secrets: where files are read.
    init(
        _ owners: [Owner], registry: MetricRegistry, log: Logger,
        secrets: @escaping @Sendable () -> SecretSources = { SettingsFile.secrets }
    ) {
        self.owners = owners
        self.secrets = secrets
        self.registry = registry
        self.log = log
        registry.declare(Self.name, help: Self.help, kind: .counter, labels: ["owner", "outcome"])
        // What comes from the environment stays as it is for as long as the process does.
        for owner in owners where owner.tokens.current.contains(where: { $0.file != nil }) {
            for outcome in Outcome.allCases { _ = self.counter(owner, outcome) }
        }
    }

    /// Takes up the tokens of new settings.
    func take(_ settings: ServeSettings) {
        for owner in self.owners {
            let new = owner.wanted(settings)
            guard new != owner.tokens.current else { continue }
            owner.tokens.replace(with: new)
            self.counter(owner, .replaced).add()
            self.log.info("tokens reloaded", metadata: ["owner": "\(owner.name)"])
        }
    }

    /// The settings have a problem: tells whose token files are one, if that is it.
    func check() {
        let secrets = self.secrets()
        for owner in self.owners {
            do throws(SecretProblem) {
                for token in owner.tokens.current { try Self.read(token, from: secrets) }
            } catch {
                self.counter(owner, .failed).add()
                self.log.error(
                    "tokens not reloaded, the old ones stay",
                    metadata: ["owner": "\(owner.name)", "problem": "\(error.text)"])
            }
        }
    }

    private static func read(_ token: BearerToken, from secrets: SecretSources) throws(SecretProblem) {
        guard let path = token.file else { return }
        guard BearerToken(try secrets.look(up: .file(path))).isSendable else {
            throw SecretProblem(text: "file \(path) holds more than visible ASCII characters without spaces")
        }
    }

    private func counter(_ owner: Owner, _ outcome: Outcome) -> Counter {
        self.registry.counter(
            Self.name, help: Self.help, labels: ["owner": owner.name, "outcome": outcome.rawValue])
    }
}

extension BearerToken {
    /// The file that it came from.
    fileprivate var file: String? {
        switch self.origin {
        case .environment: nil
        case .file(let path): path
        }
    }
}

extension TokenReloader {
    /// - Parameters:
    ///   - listeners: by position in the settings, as `clusters`.
    init(
        _ settings: ServeSettings, listeners: [BearerTokens], clusters: [BearerTokens], admin: BearerTokens,
        registry: MetricRegistry, log: Logger
    ) {
        var owners: [Owner] = []
        for (index, tokens) in listeners.enumerated() {
            owners.append(
                Owner(name: "listener \(settings.listeners[index].address)", tokens: tokens) {
                    $0.listeners[index].auth.tokens.compactMap(\.token)
                })
        }
        for (index, tokens) in clusters.enumerated() {
            owners.append(
                Owner(name: "cluster \(settings.clusters[index].name)", tokens: tokens) {
                    [$0.clusters[index].auth.token].compactMap { $0 }
                })
        }
        owners.append(Owner(name: "admin", tokens: admin) { $0.admin.auth.tokens.compactMap(\.token) })
        self.init(owners, registry: registry, log: log)
    }
}
