import Foundation

/// This program, started once more as a child with a subcommand, whose first line on stdout says where it serves.
///
/// Whoever starts it stops it. Its stderr is ours.
final class ChildProcess: Sendable {
    private let process: Process
    private let ended: Announcement<Void>
    /// What stands in the first line between the words that `start` was told and the next space.
    let address: String

    private init(process: Process, ended: Announcement<Void>, address: String) {
        self.process = process
        self.ended = ended
        self.address = address
    }

    /// Starts `homing` with `arguments` and waits for a first line with `key` in it, such as `grpc=`. Throws when the
    /// child ends before it says one, or its first line is another; then no child is left.
    static func start(_ arguments: [String], key: String) async throws -> ChildProcess {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        // What the environment tells our own 'homing serve' is not meant for this one.
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HOMING_") }
        let output = Pipe()
        process.standardOutput = output
        let ended = Announcement<Void>()
        process.terminationHandler = { _ in ended.made(()) }
        try process.run()

        let line = await self.firstLine(of: output.fileHandleForReading)
        let address = line.split(separator: " ").first { $0.hasPrefix(key) }.map { String($0.dropFirst(key.count)) }
        let child = ChildProcess(process: process, ended: ended, address: address ?? "")
        guard address != nil else {
            await child.stop()
            throw ChildFailure(arguments: arguments, line: line)
        }
        return child
    }

    /// Asks the child to end and waits until it has, five seconds at most; then it is killed. Twice does no harm.
    func stop() async {
        guard self.process.isRunning else { return }
        self.process.terminate()
        let pid = self.process.processIdentifier
        let killer = Task {
            try await Task.sleep(for: .seconds(5))
            kill(pid, SIGKILL)
        }
        await self.ended.value
        killer.cancel()
    }

    /// Empty when the output ends, or the task is cancelled, before there is a line.
    private static func firstLine(of handle: FileHandle) async -> String {
        let pieces = AsyncStream<Data> { continuation in
            handle.readabilityHandler = { handle in
                let piece = handle.availableData
                if piece.isEmpty {
                    handle.readabilityHandler = nil
                    continuation.finish()
                } else {
                    continuation.yield(piece)
                }
            }
        }
        var text = ""
        for await piece in pieces {
            text += String(decoding: piece, as: UTF8.self)
            if let end = text.firstIndex(where: \.isNewline) { return String(text[..<end]) }
        }
        return ""
    }
}

/// A child did not come up.
struct ChildFailure: Error, CustomStringConvertible {
    let arguments: [String]
    let line: String

    var description: String {
        "'homing \(self.arguments.joined(separator: " "))' did not serve"
            + (self.line.isEmpty ? "" : "; it said: \(self.line)")
    }
}
