import ArgumentParser
import Transport

/// `homing serve`: the proxy, in the foreground until SIGTERM.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve callers in front of model workers.",
        usage: """
            homing serve --replica <address> [--replica <address> ...] [<options>]
            homing serve -c <file> [<options>]
            """,
        discussion: """
            Callers speak gRPC over HTTP/2, in cleartext unless TLS is asked for, to homing as they would to one \
            worker. Every stream goes to the replica whose cache holds the longest part of its prompt, unless that one \
            is too busy. Homing stays in the foreground; SIGTERM lets open streams end, SIGHUP reads certificates \
            and tokens again, SIGUSR2 puts the program that is installed now in its place without losing a call.

            Examples:
              homing serve --replica 127.0.0.1:50052 --replica 127.0.0.1:50053
              homing serve -c homing.yaml --log-level debug
              HOMING_PROXY_DRAIN_TIMEOUT_MS=5000 homing serve -c homing.yaml

            Every key of the file has an environment variable, which wins over the file: HOMING_ and the key's path \
            (HOMING_CLUSTERS_0_ROUTING_POLICY). So have flags: HOMING_CONFIG, HOMING_LISTEN, HOMING_ADMIN, \
            HOMING_REPLICA, HOMING_POLICY, HOMING_MODEL, HOMING_TLS_CERTIFICATE, HOMING_TLS_KEY, with commas where a \
            flag may be repeated. Flags win over both.

            Exit code 64: a flag is wrong. 65: the configuration has problems, all of which are listed. \
            66: the file cannot be read.
            """)

    @OptionGroup var options: ServeOptions

    func run() async throws {
        let start: StartConditions
        do throws(InheritedSocket.Problem) {
            start = try StartConditions.take()
        } catch {
            throw ExitReason.cannotServe(error.description)
        }
        do {
            let options = self.options
            let file = options.file().map { ReadFile($0) }
            let settings = try ExitReason.reported {
                try options.settings { ExitReason.printError("note: \($0)") }
            }
            try await Assembly.serve(settings, start, file: file) {
                file?.isRead()
                return try options.settings()
            }
        } catch let code as ExitCode {
            // The process whose place we were to take goes on, and its log says so.
            start.predecessor?.channel.sayFailed(exitCode: UInt8(clamping: code.rawValue))
            throw code
        }
    }
}
