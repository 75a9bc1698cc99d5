import ArgumentParser
import DemoWorker
import Foundation
import Logging
import Testing
import Transport

@testable import homing

struct WorkerOptionsTests {
    @Test func `without flags a worker is what the settings say`() throws {
        #expect(try WorkerOptions.parse([]).settings() == WorkerSettings())
    }

    @Test func `every flag is a setting`() throws {
        let token = FileManager.default.temporaryDirectory.appendingPathComponent("homing-\(UUID())")
        try Data("Secret\nnot this\n".utf8).write(to: token)
        defer { try? FileManager.default.removeItem(at: token) }
        let options = try WorkerOptions.parse([
            "--listen", "[::1]:0", "--model", "m", "--slots", "3", "--prefill-tokens-per-s", "10.5",
            "--decode-tokens-per-s", "0", "--cache-tokens", "7", "--context-tokens", "8", "--busy-health",
            "--load-time-ms", "9", "--dies-of-unsafe-load", "--auth-token-file", token.path, "--log-level", "error",
        ])
        var expected = WorkerSettings()
        expected.listen = Endpoint(.host("::1", port: 0))
        expected.model = "m"
        expected.slots = 3
        expected.prefillTokensPerSecond = 10.5
        expected.decodeTokensPerSecond = 0
        expected.cacheTokens = 7
        expected.contextTokens = 8
        expected.healthBehindPredict = true
        expected.loadTimeMs = 9
        expected.diesOfUnsafeLoad = true
        expected.authToken = "Secret"
        #expect(try options.settings() == expected)
        #expect(options.logLevel == .error)
    }

    @Test(arguments: [
        (["--listen", "h"], "write host:port"), (["--slots", "0"], "--slots is a whole number, 1 to"),
        (["--prefill-tokens-per-s=-1"], "--prefill-tokens-per-s is a number"),
        (["--decode-tokens-per-s", "nan"], "--decode-tokens-per-s is a number"),
        (["--cache-tokens=-1"], "--cache-tokens is a whole number, 0"),
        (["--context-tokens", "0"], "--context-tokens"),
        (["--load-time-ms", "x"], "--load-time-ms"), (["--model", ""], "--model"),
        (["--log-level", "erorr"], "did you mean error?"),
    ])
    func `a flag that is wrong says what would be right`(arguments: [String], text: String) {
        do {
            _ = try WorkerOptions.parse(arguments)
            Issue.record("the flags were accepted")
        } catch {
            #expect(WorkerOptions.message(for: error).contains(text), "\(WorkerOptions.message(for: error))")
            #expect(WorkerOptions.exitCode(for: error).rawValue == 64)
        }
    }

    @Test func `a token file that is not there, or empty, is an error`() throws {
        for path in ["/nowhere/token", "/dev/null"] {
            let options = try WorkerOptions.parse(["--auth-token-file", path])
            #expect(throws: UnreadableFile.self) { try options.settings() }
        }
    }
}
