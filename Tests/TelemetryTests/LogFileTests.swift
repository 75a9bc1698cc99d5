import Foundation
import Telemetry
import Testing

@Suite struct LogFileTests {
    private static func inFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "homing-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    private static func text(_ url: URL) throws -> String { try String(contentsOf: url, encoding: .utf8) }

    @Test func `lines are added to what is there`() throws {
        try Self.inFolder { folder in
            let url = folder.appending(path: "log")
            try Data("old\n".utf8).write(to: url)
            let file = try LogFile(path: url.path)
            try file.write(Array("one\n".utf8))
            try file.write(Array("two\n".utf8))
            #expect(try Self.text(url) == "old\none\ntwo\n")
        }
    }

    @Test func `opened again, lines go to the file that has the name now`() throws {
        try Self.inFolder { folder in
            let (url, moved) = (folder.appending(path: "log"), folder.appending(path: "log.1"))
            let file = try LogFile(path: url.path)
            try file.write(Array("one\n".utf8))
            try FileManager.default.moveItem(at: url, to: moved)
            try file.write(Array("two\n".utf8))
            try file.reopen()
            try file.write(Array("three\n".utf8))
            #expect(try Self.text(moved) == "one\ntwo\n" && Self.text(url) == "three\n")
        }
    }

    @Test func `a file that cannot be opened is said by name, and the old one goes on`() throws {
        try Self.inFolder { folder in
            #expect(throws: LogFile.Unwritable.self) { try LogFile(path: folder.appending(path: "no/log").path) }
            let (url, moved) = (folder.appending(path: "log"), folder.appending(path: "log.1"))
            let file = try LogFile(path: url.path)
            try FileManager.default.moveItem(at: url, to: moved)
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            let failure = #expect(throws: LogFile.Unwritable.self) { try file.reopen() }
            #expect(failure?.description == "cannot write to the access log file \(url.path)")
            try file.write(Array("one\n".utf8))
            #expect(try Self.text(moved) == "one\n")
        }
    }
}
