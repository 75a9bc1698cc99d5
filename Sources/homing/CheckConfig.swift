import ArgumentParser
import Config

/// `homing check-config`: what a configuration file means, or everything that is wrong with it.
struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Check a configuration file and print what it means.",
        usage: """
            homing check-config <file>
            homing check-config --reference
            """,
        discussion: """
            Prints the effective file: every key with the value that 'homing serve -c <file>' would use. Secrets are \
            shown as where they come from. Nothing is started or connected to. Certificates are read, and a note says \
            what is wrong with them here.

            Exit code 0: the file is right. 65: it is not, and all problems are on stderr, one per line, as \
            file:line: path: what is wrong and what would be right. 66: it cannot be read.
            """)

    @Argument(help: "The configuration file, YAML.")
    var file: String?

    @Flag(help: "Print a file with every key, its default and its manual entry, instead of checking one.")
    var reference = false

    func validate() throws {
        guard (self.file == nil) == self.reference else {
            throw ValidationError("Name a file, or ask for the --reference.")
        }
    }

    func run() throws {
        guard let file = self.file else {
            print(ConfigText.reference(of: ServeSettings.self), terminator: "")
            return
        }
        let settings = try ExitReason.reported { try SettingsFile.load(file).settings }
        print(ConfigText.effective(settings), terminator: "")
        if let lack = settings.lack { ExitReason.printError("note: \(lack)") }
        do {
            _ = try Certificates(settings)
        } catch {
            // The file may be right all the same: certificates often lie on another machine, or are another user's.
            ExitReason.printError("note: 'homing serve' would not start here: \(error)")
        }
    }
}
