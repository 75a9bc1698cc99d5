import ArgumentParser

struct Homing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "homing",
        abstract: "A gRPC proxy for model workers that sends a prompt to the replica that remembers it.",
        subcommands: [
            Serve.self, Predict.self, WorkerCommand.self, Demo.self, ReplayCommand.self, PlayCommand.self, Decide.self,
            CheckConfig.self,
        ])
}
