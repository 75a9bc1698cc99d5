import Admin
import ArgumentParser
import Config

/// `homing check-config`: what a configuration file means, or everything that is wrong with it.
struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Check a configuration file and print what it means.",
        usage: """
            homing check-config [--json] <file>
            homing check-config [--json] --reference
            """,
        discussion: """
            Prints the effective file: every key with the value that 'homing serve -c <file>' would use here, those of \
            HOMING_… variables included. Secrets are shown as where they come from. Nothing is started or connected \
            to. Certificates are read, and a note says what is wrong with them here.

            Examples:
              homing check-config homing.yaml
              homing check-config --json homing.yaml | jq .settings.proxy
              homing check-config --reference > every-key.yaml

            Exit code 0: the file is right. 65: it is not, and all problems are on stderr, one per line, as \
            file:line: path: what is wrong and what would be right. 66: it cannot be read.
            """)

    @Argument(help: "The configuration file, YAML.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String?

    @Flag(help: "Print a file with every key, its default and its manual entry, instead of checking one.")
    var reference = false

    @Flag(help: "Print one JSON object: ok, problems, notes, settings. With --reference a list of every key.")
    var json = false

    func validate() throws {
        guard (self.file == nil) == self.reference else {
            throw ValidationError("Name a file, or ask for the --reference.")
        }
    }

    func run() throws {
        guard let file = self.file else {
            let text = self.json ? try KeyTable().json() : ConfigText.reference(of: ServeSettings.self)
            print(text, terminator: self.json ? "\n" : "")
            return
        }
        var notes: [String] = []
        let options = try ServeOptions.parse(["--config=\(file)"])
        let settings: ServeSettings
        do {
            settings = try options.settings(mustServe: false) { notes.append($0) }
        } catch let problems as ConfigProblems where self.json {
            print(try Report(problems.problems, notes: notes).text())
            throw ExitReason.badConfiguration
        } catch {
            settings = try ExitReason.reported { throw error }
        }
        if let lack = settings.lack { notes.append(lack) }
        do {
            _ = try Certificates(settings)
        } catch {
            // The file may be right all the same: certificates often lie on another machine, or are another user's.
            notes.append("'homing serve' would not start here: \(error)")
        }
        if self.json {
            print(try Report([], notes: notes, settings: SettingsSnapshot(settings).settings).text())
        } else {
            print(ConfigText.effective(settings), terminator: "")
            for note in notes { ExitReason.printError("note: \(note)") }
        }
    }

    /// What --json prints.
    private struct Report: Encodable {
        struct Finding: Encodable {
            let path: String
            let line: Int?
            let variable: String?
            let text: String
        }
        let ok: Bool
        let problems: [Finding]
        let notes: [String]
        let settings: SettingsSnapshot.Value?

        init(_ problems: [Problem], notes: [String], settings: SettingsSnapshot.Value? = nil) {
            self.ok = problems.isEmpty
            self.problems = problems.map {
                Finding(path: $0.path, line: $0.line, variable: $0.variable, text: $0.text)
            }
            self.notes = notes
            self.settings = settings
        }

        func text() throws -> String { try JSONText.line(self) }
    }
}
