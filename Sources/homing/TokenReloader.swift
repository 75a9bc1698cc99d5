import Config
import Logging
import Telemetry
import Wire

/// Takes up new tokens while the process runs, when somebody asks: those that come from files. A file that is of no use
/// changes nothing for its owner.
struct TokenReloader: Sendable {
    /// The tokens of one listener or cluster.
    struct Owner: Sendable {
        /// `listener ADDRESS` or `cluster NAME`.
        let name: String
        let tokens: BearerTokens
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
        // What comes from the environment stays as it is for as long as the process does.
        self.owners = owners.filter { owner in owner.tokens.current.contains { $0.file != nil } }
        self.secrets = secrets
        self.registry = registry
        self.log = log
        registry.declare(Self.name, help: Self.help, kind: .counter, labels: ["owner", "outcome"])
        for owner in self.owners {
            for outcome in Outcome.allCases { _ = self.counter(owner, outcome) }
        }
    }

    /// Reads every token file again. All tokens of an owner are replaced, or none.
    func reloadNow() {
        let secrets = self.secrets()
        for owner in self.owners {
            let old = owner.tokens.current
            do throws(SecretProblem) {
                var new: [BearerToken] = []
                for token in old { new.append(try Self.read(token, from: secrets)) }
                guard new != old else { continue }
                owner.tokens.replace(with: new)
                self.counter(owner, .replaced).add()
                self.log.info("tokens reloaded", metadata: ["owner": "\(owner.name)"])
            } catch {
                self.counter(owner, .failed).add()
                self.log.error(
                    "tokens not reloaded, the old ones stay",
                    metadata: ["owner": "\(owner.name)", "problem": "\(error.text)"])
            }
        }
    }

    private static func read(_ token: BearerToken, from secrets: SecretSources) throws(SecretProblem) -> BearerToken {
        guard let path = token.file else { return token }
        let read = BearerToken(try secrets.look(up: .file(path)))
        guard read.isSendable else {
            throw SecretProblem(text: "file \(path) holds more than visible ASCII characters without spaces")
        }
        return read
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
