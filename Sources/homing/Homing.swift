import ArgumentParser

struct Homing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "homing",
        abstract: "A gRPC proxy for model workers that sends a prompt to the replica that remembers it.",
        discussion: """
            Callers speak to homing as they would to one worker; behind it stand many. Each prompt goes to the replica \
            whose cache holds the most of it, weighed against how busy that one is.

            In front of two workers:
              homing serve --replica 127.0.0.1:50052 --replica 127.0.0.1:50053
            From a file; check it first, and see every key there is:
              homing check-config homing.yaml && homing serve -c homing.yaml
              homing check-config --reference
            One prompt: who answers it, why, and how soon:
              homing predict "Where does the bird live?"
            How it is doing, now and live (a browser sees the same at http://127.0.0.1:9901/):
              homing status
              homing top
              homing logs --follow
            Take up a changed configuration, and replicas that come and go, while it serves:
              homing reload
              homing replica add 10.0.0.7:50052
              homing replica remove 10.0.0.7:50052
            See it work without any model, in a minute:
              homing demo
            What a policy would do with your own traffic:
              homing replay --help

            Completions: homing --generate-completion-script bash (or zsh, or fish).
            """,
        version: "homing \(Version.number)",
        subcommands: [
            Serve.self, Predict.self, WorkerCommand.self, Demo.self, ReplayCommand.self, PlayCommand.self, Decide.self,
            CheckConfig.self, StatusCommand.self, TopCommand.self, LogsCommand.self, ReplicaCommand.self,
            ReloadCommand.self,
        ])
}
