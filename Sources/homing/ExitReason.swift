import ArgumentParser
import Config
import Foundation

/// Why a subcommand ends before it did anything, as people read it on stderr and scripts in the exit code. The numbers
/// are those of sysexits.h.
enum ExitReason {
    /// The configuration was read and has problems (EX_DATAERR).
    static let badConfiguration = ExitCode(65)
    /// A file cannot be read (EX_NOINPUT).
    static let unreadableFile = ExitCode(66)

    /// A file cannot be made, or must not be replaced (EX_CANTCREAT). Says why on stderr.
    static func cannotCreate(_ why: String) -> ExitCode {
        self.printError("homing: \(why)")
        return ExitCode(73)
    }

    /// An address cannot be bound, or another part of the service failed (EX_UNAVAILABLE). Says why on stderr.
    static func cannotServe(_ why: String) -> ExitCode {
        self.printError("homing: \(why)")
        return ExitCode(69)
    }

    /// Nothing answers at an address (EX_UNAVAILABLE). Says why on stderr.
    static func unreachable(_ why: String) -> ExitCode { self.cannotServe(why) }

    /// A call failed, or what was to be shown did not come about. Says why on stderr.
    static func failed(_ why: String) -> ExitCode {
        self.printError("homing: \(why)")
        return ExitCode(1)
    }

    /// What `body` returns; when the settings have problems, these are printed to stderr, one per line, and the exit
    /// code is thrown.
    static func reported<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let problems as ConfigProblems {
            self.printError(problems.description)
            throw self.badConfiguration
        } catch let unreadable as UnreadableFile {
            self.printError(unreadable.description)
            throw self.unreadableFile
        }
    }

    static func printError(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }
}
