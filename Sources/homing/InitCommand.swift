import ArgumentParser
import Foundation

/// `homing init`: a configuration file to begin with.
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a commented configuration file to begin with.",
        usage: """
            homing init [<file>] [--force]
            homing init -
            """,
        discussion: """
            The file serves two workers at 127.0.0.1:50052 and 50053 as one model: right for a first try with \
            'homing worker', and a change of two lines for your own. Settings that most people never change are there \
            as comments with their defaults. A file that is there is left alone, unless --force says otherwise.

            Examples:
              homing init
              homing init /etc/homing/homing.yaml
              homing init - | less

            Exit code 64: a flag is wrong. 73: the file is there already, or cannot be written.
            """)

    @Argument(help: "Where to write it; - prints it.", completion: .file(extensions: ["yaml", "yml"]))
    var file = "homing.yaml"

    @Flag(help: "Replace the file if it is there.")
    var force = false

    func run() throws {
        guard self.file != "-" else {
            print(StarterFile.text, terminator: "")
            return
        }
        let options: Data.WritingOptions = self.force ? .atomic : .withoutOverwriting
        do {
            try Data(StarterFile.text.utf8).write(to: URL(fileURLWithPath: self.file), options: options)
        } catch CocoaError.fileWriteFileExists {
            throw ExitReason.cannotCreate("\(self.file) is there already; --force replaces it")
        } catch {
            throw ExitReason.cannotCreate("\(self.file) cannot be written")
        }
        ExitReason.printError(
            "wrote \(self.file); next: homing check-config \(self.file), then homing serve -c \(self.file)")
    }
}
