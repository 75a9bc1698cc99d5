import Admin
import ArgumentParser
import Foundation
import Transport

/// `homing replica`: adds, drains and removes replicas of a running homing.
struct ReplicaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replica",
        abstract: "List, add, drain, bring back or remove replicas of a running homing.",
        discussion: """
            Asks the admin port, which takes changes with a token only (admin.auth.tokens). A replica's name is its \
            address. One that drains takes nothing new and finishes what is open; one that is removed does the same and \
            is gone then, or when clusters[].replica_drain_timeout_ms has passed. What is added here lives until it is \
            removed here, whatever the configuration or discovery say.

            Examples:
              homing replica list
              homing replica add 10.0.0.7:50052 --weight 2
              homing replica drain 10.0.0.7:50052
              homing replica undrain 10.0.0.7:50052
              homing replica remove 10.0.0.7:50052

            \(ReplicaFlags.exitHelp)
            """,
        subcommands: [List.self, Add.self, Remove.self, DrainReplica.self, Undrain.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the replicas, and who named them.")

        @OptionGroup var flags: ReplicaFlags

        func run() async throws {
            try await SightExit.asking(self.flags.admin) { client in
                var list = try await client.get("/api/replicas", as: ReplicaList.self)
                if let cluster = self.flags.cluster { list.replicas.removeAll { $0.cluster != cluster } }
                if self.flags.json { return Assembly.say(ReplicaFlags.text(list)) }
                var table = TextTable([
                    .text("cluster"), .text("replica"), .text("state"), .number("in flight"), .number("weight"),
                    .text("named by"), .text("drain"),
                ])
                for replica in list.replicas {
                    table.add([
                        .init(text: replica.cluster), .init(text: replica.id), .init(text: replica.state),
                        .init(text: String(replica.inFlight)), .init(text: String(replica.weight)),
                        .init(text: replica.origins.joined(separator: ", ")),
                        .init(text: replica.drain.map(Self.spoken) ?? ""),
                    ])
                }
                for line in table.lines(TerminalStyle()) { Assembly.say(line) }
            }
        }

        private static func spoken(_ drain: ReplicaSnapshot.Drain) -> String {
            let since = "for \(drain.sinceMs / 1_000) s"
            return drain.leavesInMs.map { "\(since), gone within \($0 / 1_000) s" } ?? since
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a replica.")

        @OptionGroup var flags: ReplicaFlags

        @Option(help: "Decides between replicas that are equally busy: the heavier one goes first. 1 to 1000.")
        var weight = 1

        @Argument(help: "The worker's address: host:port, [v6]:port or unix:/path.", transform: Flags.endpoint)
        var address: Endpoint

        func validate() throws { try Flags.check("--weight", self.weight, in: 1...1_000) }

        private struct Body: Encodable {
            var address: String
            var weight: Int
            var cluster: String?
        }

        func run() async throws {
            let body = Body(address: self.address.description, weight: self.weight, cluster: self.flags.cluster)
            try await self.flags.order("POST", "/api/replicas", body: try JSONEncoder().encode(body))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a replica finish what is open, and remove it.")

        @OptionGroup var flags: ReplicaFlags

        @Flag(help: "Cut what is open instead of waiting for it.")
        var now = false

        @Argument(help: "The replica's name: its address.")
        var name: String

        func run() async throws {
            try await self.flags.order("DELETE", ReplicaFlags.path(self.name), query: self.now ? ["now=true"] : [])
        }
    }

    struct DrainReplica: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drain", abstract: "Give a replica nothing new; what is open goes on.")

        @OptionGroup var flags: ReplicaFlags

        @Argument(help: "The replica's name: its address.")
        var name: String

        func run() async throws { try await self.flags.order("POST", ReplicaFlags.path(self.name) + "/drain") }
    }

    struct Undrain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a replica back that was drained, or that is on its way out.")

        @OptionGroup var flags: ReplicaFlags

        @Argument(help: "The replica's name: its address.")
        var name: String

        func run() async throws { try await self.flags.order("POST", ReplicaFlags.path(self.name) + "/undrain") }
    }
}

/// What all `homing replica` commands are told.
struct ReplicaFlags: ParsableArguments {
    @OptionGroup var admin: AdminFlags

    @Option(help: ArgumentHelp("The cluster; may be left out where there is one only.", valueName: "name"))
    var cluster: String?

    @Flag(help: "One JSON object, as the admin API writes it.")
    var json = false

    static let exitHelp = """
        Exit code 0: done. 1: nobody answers at the admin port, or the token is missing or wrong. 2: a flag is wrong. \
        4: homing refuses, and says why.
        """

    /// The path of a replica: its name may hold slashes.
    static func path(_ name: String) -> String {
        let plain = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:")
        return "/api/replicas/" + (name.addingPercentEncoding(withAllowedCharacters: plain) ?? name)
    }

    /// Asks for a change, and says what came of it.
    func order(_ method: String, _ path: String, query: [String] = [], body: Data = Data()) async throws {
        var query = query
        if let cluster = self.cluster, body.isEmpty {
            query.append("cluster=" + (cluster.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? cluster))
        }
        let target = query.isEmpty ? path : path + "?" + query.joined(separator: "&")
        try await SightExit.asking(self.admin) { client in
            let answer = try await client.ask(method, target, body: body)
            guard (200..<300).contains(answer.status) else { throw try SightExit.refused(answer, by: client) }
            guard let outcome = try? JSONDecoder().decode(ReplicaOutcome.self, from: answer.body) else {
                throw AdminClient.Failure(description: "\(client.address) answers as another version of homing does")
            }
            Assembly.say(self.json ? Self.text(outcome) : Self.sentence(outcome))
        }
    }

    static func text(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    private static func sentence(_ outcome: ReplicaOutcome) -> String {
        let streams = outcome.inFlight == 1 ? "1 stream is open" : "\(outcome.inFlight) streams are open"
        let what =
            switch outcome.result {
            case .added: "added; it gets streams when it has answered"
            case .draining: "drains; \(streams)"
            case .serving: "serves again"
            case .leaving: "leaves; \(streams)"
            case .kept: "stays, since others name it: \(outcome.origins.joined(separator: ", "))"
            case .unchanged: "is so already; \(streams)"
            }
        return "\(outcome.id) in \(outcome.cluster): \(what)"
    }
}
