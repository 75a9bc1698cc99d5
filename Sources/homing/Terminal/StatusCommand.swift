import ArgumentParser

/// `homing status`: how a running homing and its replicas are.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how a running homing and its replicas are.",
        discussion: """
            Asks the admin port. 'prompts', 'held' (the share of their bytes that the replica was believed to hold) and \
            'first token' are of the last five minutes.

            Examples:
              homing status
              homing status --admin 10.0.0.7:9901 --token-file /etc/homing/admin-token
              homing status --json | jq '.replicas[] | select(.usable | not)'
              until homing status > /dev/null; do sleep 1; done

            \(SightExit.help)
            """)

    @OptionGroup var flags: AdminFlags

    @Flag(help: "One JSON object: ready, readiness, clusters and replicas, as the admin API writes them.")
    var json = false

    func run() async throws {
        try await SightExit.asking(self.flags) { client in
            let report = try await Progress.during("asking \(client.address)") { _ in
                try await FleetReport(asking: client)
            }
            print(self.json ? report.json : report.lines(TerminalStyle()).joined(separator: "\n"))
            guard report.isReady else { throw SightExit.notReady }
        }
    }
}
