import ArgumentParser
import Foundation
import Transport
import Wire

/// The flags of `homing predict`.
struct PredictFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where homing, or a worker, listens. Default: $HOMING_ADDRESS, else 127.0.0.1:50051.", valueName: "address"),
        transform: Flags.endpoint)
    var address: Endpoint?

    @Option(help: ArgumentHelp("The model that is meant. Default: whichever is served.", valueName: "name"))
    var model = ""

    @Option(help: ArgumentHelp("Most tokens of the answer, at least 1.", valueName: "count"))
    var tokens = 64

    @Option(help: ArgumentHelp("A system prompt in front of the text.", valueName: "text"))
    var system: String?

    @Option(help: ArgumentHelp("How long the call may take. 0: as long as it takes.", valueName: "ms"))
    var timeoutMs = 0

    @Flag(help: "Print one JSON object to stdout instead, answer included.")
    var json = false

    @Argument(help: "What the user says; - reads it from stdin.")
    var text: String

    /// Longest text that is read from stdin: what a worker takes.
    static let longestText = 50 * 1024 * 1024

    func validate() throws {
        try Flags.check("--tokens", self.tokens, in: 1...Int(Int32.max))
        try Flags.check("--timeout-ms", self.timeoutMs, in: 0...99_999_999)
    }

    /// The flag, else the environment, else where homing listens unless it is told otherwise.
    func place(_ environment: SettingsEnvironment = .process) throws -> Endpoint {
        if let address { return address }
        guard let text = environment["HOMING_ADDRESS"] else { return ServeSettings.defaultListener }
        do throws(EndpointProblem) {
            return try Endpoint(parsing: text)
        } catch {
            throw ValidationError("HOMING_ADDRESS: \(error.description)")
        }
    }

    /// What the flags ask a worker for. Reads stdin when the text is `-`.
    func message(stdin: () throws -> [UInt8] = PredictFlags.readStdin) throws -> PredictOptions {
        let user = self.text == "-" ? try stdin() : Array(self.text.utf8)
        var messages: [ChatMessage] = []
        if let system = self.system { messages.append(ChatMessage("system", Array(system.utf8))) }
        messages.append(ChatMessage("user", user))
        var options = PredictRun.options(messages, tokens: self.tokens)
        options.modelIdentity = Array(self.model.utf8)
        return options
    }

    static func readStdin() throws -> [UInt8] {
        let data = try FileHandle.standardInput.read(upToCount: Self.longestText) ?? Data()
        return [UInt8](data)
    }
}

extension ChatMessage {
    init(_ role: String, _ content: [UInt8]) {
        self.init(role: Array(role.utf8), content: content)
    }
}
