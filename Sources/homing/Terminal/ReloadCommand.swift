import Admin
import ArgumentParser
import Config
import Foundation

/// `homing reload`: a running homing reads its configuration again.
struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Make a running homing read its configuration again, without dropping a stream.",
        discussion: """
            All of it is taken up or nothing: with a problem anywhere everything stays as it was. What cannot change while \
            homing runs is named and waits for a restart. Asks the admin port, which takes this with a token only \
            (admin.auth.tokens); SIGHUP does the same without one.

            Examples:
              homing check-config homing.yaml && homing reload
              homing reload --json | jq -r '.restart_required[]'

            Exit code 0: done, or there was nothing new. 65: the configuration has problems, all of which are listed. \
            1: nobody answers at the admin port, or the token is missing or wrong. 2: a flag is wrong. 4: homing refuses.
            """)

    /// Longer than any reload takes: files are read, and every thread is waited for.
    private static let timeoutMs = 30_000

    @OptionGroup var flags: AdminFlags

    @Flag(help: "One JSON object, as the admin API writes it.")
    var json = false

    func run() async throws {
        try await SightExit.asking(self.flags) { client in
            let answer = try await client.ask("POST", "/api/reload", timeoutMs: Self.timeoutMs)
            guard let report = try? JSONDecoder().decode(ReloadReport.self, from: answer.body) else {
                throw try SightExit.refused(answer, by: client)
            }
            if self.json {
                Assembly.say(ReplicaFlags.text(report))
            } else {
                for line in Self.lines(report) { Assembly.say(line) }
                for problem in report.problems { ExitReason.printError(Self.line(problem)) }
            }
            guard report.result != .failure else { throw ExitReason.badConfiguration }
        }
    }

    /// What people read on stdout.
    static func lines(_ report: ReloadReport) -> [String] {
        var lines: [String] = []
        switch report.result {
        case .success: lines.append("reloaded: generation \(report.generation)")
        case .unchanged: lines.append("nothing new: generation \(report.generation)")
        case .failure: lines.append("not reloaded, everything stays as it was: generation \(report.generation)")
        }
        lines += report.changed.map { "  changed: \($0)" }
        for cluster in report.replicas {
            let kinds = [
                ("added", cluster.added), ("to be removed", cluster.removed), ("another weight", cluster.reweighted),
                ("still named by others", cluster.kept), ("taken out by an operator", cluster.dismissed),
            ]
            for (kind, names) in kinds where !names.isEmpty {
                lines.append("  replicas of \(cluster.cluster), \(kind): \(names.joined(separator: ", "))")
            }
        }
        lines += report.restartRequired.map { "  needs a restart: \($0)" }
        return lines
    }

    private static func line(_ problem: ReloadReport.Problem) -> String {
        Problem(path: problem.path, line: problem.line, text: problem.text).description
    }
}
