import ArgumentParser
import DemoWorker
import Foundation
import Logging
import Transport
import UnixSignals

/// `homing worker`: the embedded worker, in the foreground until SIGTERM.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Run a simulated model worker, for a first run and for tests.",
        discussion: """
            Speaks the protocol of a real worker and behaves like one on the wire, without a model: its words mean \
            nothing, its speeds and its KV cache are simulated. A prompt whose beginning it has seen is answered \
            sooner.

            With the default speeds 4,000 tokens (16 KB) of cold prompt take 2.7 seconds, as on llama.cpp's worker on \
            a CPU; warm, a tenth of a second or less.

            Says 'homing worker grpc=<address>' on stdout when it serves. SIGTERM lets open calls end.

            Exit code 64: a flag is wrong. 66: the file of --auth-token-file cannot be read. 69: the address is \
            taken. 134: it crashed, as --dies-of-unsafe-load asks for.
            """)

    @OptionGroup var options: WorkerOptions

    func run() async throws {
        let settings = try ExitReason.reported { try self.options.settings() }
        let log = Assembly.log(self.options.logLevel)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let server: DemoWorkerServer
        do {
            server = try await DemoWorkerServer.start(settings) { why in
                log.critical("worker died", metadata: ["reason": "\(why)"])
                // As after abort(), but without a core file.
                _exit(134)
            }
        } catch {
            throw ExitReason.cannotServe("cannot listen on \(settings.listen): \(error)")
        }
        Assembly.say("homing worker grpc=\(server.endpoint)")
        for await signal in signals {
            log.info("worker stopping", metadata: ["signal": "\(signal)"])
            break
        }
        await server.stop()
    }
}
