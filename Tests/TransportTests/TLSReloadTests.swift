import Foundation
import Testing

@testable import Transport

/// When changed files are taken up, and when they are told to be of no use. Any certificate will do; this one is of the
/// system's authorities.
struct TLSReloadTests {
    private static let authorities = "/etc/ssl/certs/ca-certificates.crt"

    /// A context over a file of its own, which `write` replaces.
    private final class Fixture {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("homing-\(UUID()).pem").path
        let good: String
        let context: TLSContext

        init() throws {
            let all = try String(contentsOfFile: TLSReloadTests.authorities, encoding: .utf8)
            let end = try #require(all.firstRange(of: "-----END CERTIFICATE-----\n"))
            self.good = String(all[..<end.upperBound])
            try self.good.write(toFile: self.path, atomically: true, encoding: .utf8)
            var settings = TLSClientSettings()
            settings.caFile = self.path
            self.context = try TLSContext(client: settings)
        }

        deinit { try? FileManager.default.removeItem(atPath: self.path) }

        /// Each text has a length of its own, so that the change is seen however coarse the file system's clock is.
        func write(_ text: String) throws { try text.write(toFile: self.path, atomically: true, encoding: .utf8) }

        var problem: TLSContext.Reload {
            .kept(TLSProblem(file: self.path, text: "no certificate in PEM form can be read from it"))
        }
    }

    @Test func `a changed file is taken up once`() throws {
        let fixture = try Fixture()
        #expect(fixture.context.reload() == .unchanged)
        try fixture.write(fixture.good + "# renewed\n")
        #expect(fixture.context.reload() == .replaced)
        #expect(fixture.context.reload() == .unchanged)
    }

    @Test func `a file of no use is told once, at the next look`() throws {
        let fixture = try Fixture()
        try fixture.write("nonsense")
        #expect(fixture.context.reload() == .unchanged)
        #expect(fixture.context.reload() == fixture.problem)
        #expect(fixture.context.reload() == .unchanged)
        try FileManager.default.removeItem(atPath: fixture.path)
        #expect(fixture.context.reload() == .unchanged)
        #expect(fixture.context.reload() == fixture.problem)
        try fixture.write(fixture.good)
        #expect(fixture.context.reload() == .replaced)
        #expect(fixture.context.reload() == .unchanged)
    }

    @Test func `a file that was of no use for a moment is not told`() throws {
        let fixture = try Fixture()
        try fixture.write("half")
        #expect(fixture.context.reload() == .unchanged)
        try fixture.write(fixture.good + "# whole\n")
        #expect(fixture.context.reload() == .replaced)
        #expect(fixture.context.reload() == .unchanged)
    }

    @Test func `who asks is told at once`() throws {
        let fixture = try Fixture()
        #expect(fixture.context.reload(force: true) == .replaced)
        try fixture.write("nonsense")
        #expect(fixture.context.reload(force: true) == fixture.problem)
        #expect(fixture.context.reload() == .unchanged)
        #expect(fixture.context.reload(force: true) == fixture.problem)
    }
}
