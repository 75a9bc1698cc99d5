import ArgumentParser
import Foundation
import Replay

extension Trace {
    /// The trace in a file of JSON lines, named after it. What cannot be read is said on stderr.
    /// - Parameter failed: makes the exit code for a file that is no trace, and says why.
    static func read(_ path: String, _ failed: (String) -> ExitCode) throws -> Trace {
        guard let data = FileManager.default.contents(atPath: path) else {
            ExitReason.printError("homing: cannot read \(path)")
            throw ExitReason.unreadableFile
        }
        do {
            return try Trace(name: URL(fileURLWithPath: path).lastPathComponent, jsonLines: data)
        } catch {
            throw failed("\(path): \(error)")
        }
    }
}
