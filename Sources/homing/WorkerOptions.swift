import ArgumentParser
import Config
import DemoWorker
import Logging
import Transport

/// The flags of `homing worker`.
struct WorkerOptions: ParsableArguments {
    private static let defaults = WorkerSettings()

    @Option(
        help: ArgumentHelp(
            "Where it serves: host:port, [v6]:port or unix:/path. Port 0 takes any free one.",
            discussion: "Default: 127.0.0.1:50052.", valueName: "address"),
        transform: Flags.endpoint)
    var listen = WorkerOptions.defaults.listen

    @Option(
        help: ArgumentHelp(
            "A model that is loaded from the start. Default: none; calls fail until a LoadModel, as on real workers.",
            valueName: "name"))
    var model: String?

    @Option(help: ArgumentHelp("Requests that run side by side, at least 1; others wait.", valueName: "count"))
    var slots = WorkerOptions.defaults.slots

    @Option(
        name: .customLong("prefill-tokens-per-s"),
        help: ArgumentHelp("Prompt tokens (4 bytes each) computed per second. 0: at once.", valueName: "rate"))
    var prefill = WorkerOptions.defaults.prefillTokensPerSecond

    @Option(
        name: .customLong("decode-tokens-per-s"),
        help: ArgumentHelp("Answer tokens that each slot generates per second. 0: at once.", valueName: "rate"))
    var decode = WorkerOptions.defaults.decodeTokensPerSecond

    @Option(help: ArgumentHelp("Tokens that the KV cache holds. 0: none.", valueName: "count"))
    var cacheTokens = WorkerOptions.defaults.cacheTokens

    @Option(
        help: ArgumentHelp(
            "Longest prompt with its answer, in tokens, at least 1; a LoadModel may say otherwise.",
            valueName: "count"))
    var contextTokens = WorkerOptions.defaults.contextTokens

    @Flag(help: "Health waits for the requests before it, as on workers with a single thread.")
    var busyHealth = false

    @Option(help: ArgumentHelp("How long a LoadModel takes.", valueName: "ms"))
    var loadTimeMs = WorkerOptions.defaults.loadTimeMs

    @Flag(help: "A LoadModel that meets a running request or another one kills the worker, as it does real ones.")
    var diesOfUnsafeLoad = false

    @Option(
        help: ArgumentHelp(
            "A file whose first line every call must carry as 'authorization: Bearer <token>'.", valueName: "file"))
    var authTokenFile: String?

    @Option(
        help: ArgumentHelp(
            "The least important log messages that are written: \(Flags.names(Logger.Level.self)).",
            discussion: "Default: info.", valueName: "level"),
        transform: { try Flags.name($0) })
    var logLevel = Logger.Level.info

    func validate() throws {
        try Flags.check("--slots", self.slots, in: 1...10_000)
        try Flags.check("--prefill-tokens-per-s", self.prefill, in: 0...1e12)
        try Flags.check("--decode-tokens-per-s", self.decode, in: 0...1e12)
        try Flags.check("--cache-tokens", self.cacheTokens, in: 0...1_000_000_000)
        try Flags.check("--context-tokens", self.contextTokens, in: 1...1_000_000_000)
        try Flags.check("--load-time-ms", self.loadTimeMs, in: 0...3_600_000)
        if self.model == "" { throw ValidationError("--model is a name that is not empty.") }
    }

    /// What the flags mean. Throws when the file of the token cannot be read.
    func settings() throws -> WorkerSettings {
        var settings = WorkerSettings()
        settings.listen = self.listen
        settings.model = self.model
        settings.slots = self.slots
        settings.prefillTokensPerSecond = self.prefill
        settings.decodeTokensPerSecond = self.decode
        settings.cacheTokens = self.cacheTokens
        settings.contextTokens = self.contextTokens
        settings.healthBehindPredict = self.busyHealth
        settings.loadTimeMs = self.loadTimeMs
        settings.diesOfUnsafeLoad = self.diesOfUnsafeLoad
        settings.authToken = try self.authTokenFile.map { path in
            let token = try SettingsFile.secrets.file(path).prefix { !$0.isNewline }
            guard !token.isEmpty else { throw UnreadableFile(path: path, reason: "its first line is empty") }
            return String(token)
        }
        return settings
    }
}
