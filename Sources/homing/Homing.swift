import ArgumentParser

@main
struct Homing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "homing", abstract: "A gRPC proxy for model workers.")
}
