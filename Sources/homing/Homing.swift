import ArgumentParser

struct Homing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "homing",
        abstract: "A gRPC proxy for model workers that sends a prompt to the replica that remembers it.",
        discussion: """
            Callers speak to homing as they would to one worker; behind it stand many. Each prompt goes to the replica \
            whose cache holds the most of it, weighed against how busy that one is.

            See it work without any model, in a minute:
              homing demo
            In front of two workers:
              homing serve --replica 127.0.0.1:50052 --replica 127.0.0.1:50053
            From a file: begin one, check it, serve:
              homing init homing.yaml
              homing check-config homing.yaml
              homing serve -c homing.yaml
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

            What scripts go by: --json where a command prints facts; exit code 0 when all is well, 64 for a wrong flag \
            (commands that ask a running homing: 2), 65 for a configuration with problems, 66 for a file that cannot be read, 69 when \
            nobody answers or an address is taken (commands that ask a running homing: 1). Colours are for terminals, and NO_COLOR=1 \
            turns them off. Environment variables: 'homing help serve'.

            Completions: homing --generate-completion-script bash (or zsh, or fish).
            """,
        version: "homing \(Version.number)",
        groupedSubcommands: [
            CommandGroup(name: "Serving", subcommands: [Serve.self, InitCommand.self, CheckConfig.self]),
            CommandGroup(
                name: "Looking at what it does",
                subcommands: [StatusCommand.self, TopCommand.self, LogsCommand.self, Predict.self]),
            CommandGroup(name: "Changing it while it runs", subcommands: [ReloadCommand.self, ReplicaCommand.self]),
            CommandGroup(name: "Trying without a model", subcommands: [Demo.self, WorkerCommand.self]),
            CommandGroup(
                name: "Comparing policies", subcommands: [ReplayCommand.self, PlayCommand.self, Decide.self]),
            CommandGroup(name: "For the project itself", subcommands: [ReferenceCommand.self]),
        ])
}
