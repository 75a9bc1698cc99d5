import ArgumentParser
import Dispatch
import Foundation

/// Where the process begins. The main thread only waits for the command, which runs on the concurrency pool.
///
/// An asynchronous `main` would end the main thread and leave its stack to Dispatch, which neither valgrind nor gdb can
/// follow: `scripts/bench instructions` counts with callgrind.
@main
enum Program {
    static func main() {
        let isOver = DispatchSemaphore(value: 0)
        Task.detached {
            await self.run()
            isOver.signal()
        }
        isOver.wait()
    }

    /// Commands that look at a running homing say what is wrong with their flags by an exit code of their own, so that a
    /// script can tell it from a fleet that is not ready.
    private static func run() async {
        do {
            var command = try Homing.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            let sights = ["status", "top", "logs", "replica", "reload"]
            let isSight = sights.contains(CommandLine.arguments.dropFirst().first ?? "")
            guard isSight, Homing.exitCode(for: error) == .validationFailure else { Homing.exit(withError: error) }
            ExitReason.printError(Homing.fullMessage(for: error))
            Foundation.exit(SightExit.usage.rawValue)
        }
    }
}
