import Config
import Foundation

/// Reads the files that settings come from: the configuration and the secrets that it names. Used at start and at a
/// reload, never on the data path.
enum SettingsFile {
    /// What a file and the environment say, without flags.
    struct Loaded {
        var settings: ServeSettings
        /// Nothing in it is a problem.
        let findings: ConfigText.Findings
        /// What is worth a word and keeps nobody from serving.
        let notes: [String]
    }

    /// Throws every problem of the file and of the environment at once.
    /// - Parameters:
    ///   - path: nil for no file.
    ///   - settings: what counts where neither says anything.
    ///   - others: problems that were found already, to be thrown with those of the file.
    static func load(
        _ path: String?, environment: SettingsEnvironment, defaults settings: ServeSettings = ServeSettings(),
        besides others: [Problem] = []
    ) throws -> Loaded {
        let bytes = try path.map { try self.bytes(of: $0, atMost: ConfigText.largestFile) } ?? []
        var settings = settings
        var findings = self.read(bytes, into: &settings, overrides: environment.overrides)
        let unknown = environment.unknown(besides: findings.secretVariables)
        findings.problems += unknown.problems + others
        guard findings.problems.isEmpty else { throw ConfigProblems(findings.problems, file: path) }
        return Loaded(settings: settings, findings: findings, notes: unknown.notes)
    }

    /// Reads a file's bytes into the settings, whose values are the defaults, and finds everything that is wrong with
    /// them: key by key and between the keys.
    static func read(
        _ bytes: [UInt8], into settings: inout ServeSettings, secrets: SecretSources = SettingsFile.secrets,
        overrides: [String: KeyVariables.Override] = [:]
    ) -> ConfigText.Findings {
        var findings = ConfigText.read(bytes: bytes, into: &settings, secrets: secrets, overrides: overrides)
        // Where a value could not be read, what is said about the value that stands in for it would only confuse.
        let contradictions = settings.contradictions(lines: findings.lines)
            .filter { found in !findings.problems.contains { found.isWithin($0.path) } }
            .map { findings.named($0) }
        findings.problems = (findings.problems + contradictions).inOrderOfLines()
        return findings
    }

    /// Secrets from this process's environment and from files.
    static var secrets: SecretSources {
        SecretSources(
            environment: { ProcessInfo.processInfo.environment[$0] },
            file: { path in String(decoding: try self.bytes(of: path, atMost: 65_536), as: UTF8.self) })
    }

    /// The file's bytes; of a larger file, one byte more than `limit`, so that whoever reads them sees that it is.
    static func bytes(of path: String, atMost limit: Int) throws(UnreadableFile) -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw UnreadableFile(path: path, reason: "it does not exist or may not be read")
        }
        defer { try? handle.close() }
        var bytes: [UInt8] = []
        do {
            // A pipe gives what it has; only nothing at all means the end.
            while bytes.count <= limit, let more = try handle.read(upToCount: limit + 1 - bytes.count), !more.isEmpty {
                bytes += more
            }
        } catch {
            throw UnreadableFile(path: path, reason: "it is a directory or reading it failed")
        }
        return bytes
    }
}

/// A file that settings should come from and that could not be read.
struct UnreadableFile: Error, CustomStringConvertible {
    let path: String
    let reason: String

    var description: String { "\(self.path): cannot read the file: \(self.reason)" }
}

extension Problem {
    /// Whether this is about the place or about something inside it.
    fileprivate func isWithin(_ place: String) -> Bool {
        self.path == place || self.path.hasPrefix("\(place).") || self.path.hasPrefix("\(place)[") || place.isEmpty
    }
}
