import ArgumentParser
import Connection
import Foundation
import Transport
import Wire

/// `homing predict`: one prompt, its answer as it comes, and who gave it.
struct Predict: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send one prompt and say which replica answered it, why, and how fast.",
        usage: """
            homing predict [--address <address>] [<options>] <text>
            homing predict [--address <address>] [<options>] -
            """,
        discussion: """
            Streams the answer to stdout. Afterwards stderr says which replica served it and why, how long the first \
            token took and how much of the prompt the replica had seen before. It talks to a worker as well as to \
            homing; a worker has nothing to say about replicas.

            Exit code 1: the call failed, its status is on stderr. 64: a flag is wrong. 69: nothing answers at the \
            address.
            """)

    @OptionGroup var options: PredictFlags
    @OptionGroup var identity: IdentityFlags

    func run() async throws {
        let message = try self.options.message()
        var request = PredictRun.request(message)
        request.timeoutMs = self.options.timeoutMs
        try self.identity.apply(to: &request)
        let group = LoopGroup(count: 1)
        let address = try self.options.place()
        let outcome = try await Progress.during("waiting for the first token from \(address)") { progress in
            try await PredictRun.run(request, at: address, on: group.loops[0]) { text in
                guard !self.options.json else { return }
                progress.end()
                do {
                    try FileHandle.standardOutput.write(contentsOf: Data(text))
                } catch {
                    throw ExitReason.failed("the answer cannot be written to stdout")
                }
            }
        }
        await group.shutdown()
        let report = PredictReport(outcome, address: address)
        if self.options.json {
            print(try report.json())
        } else {
            if !outcome.text.isEmpty { print() }
            if outcome.status?.code == .ok { ExitReason.printError(report.text) }
        }
        try report.throwIfFailed()
    }
}
