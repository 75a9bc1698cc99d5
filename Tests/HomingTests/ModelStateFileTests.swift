import Foundation
import Logging
import Testing

@testable import homing

@Suite struct ModelStateFileTests {
    /// Calls `body` with a file in a folder of its own.
    private func withFile(_ body: (ModelStateFile) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("homing-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        try body(ModelStateFile(path: folder.appendingPathComponent("model").path, log: log))
    }

    @Test func `what is remembered is recalled, replaced, and forgotten`() throws {
        try self.withFile { file in
            #expect(file.recall() == nil)
            for options in [[UInt8]](arrayLiteral: [1, 2, 3], [], Array(0...255), [9]) {
                file.remember(options)
                #expect(file.recall() == options)
            }
            let folder = (file.path as NSString).deletingLastPathComponent
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left == ["model"], "nothing else is left")
            file.remember(nil)
            #expect(file.recall() == nil && !FileManager.default.fileExists(atPath: file.path))
            file.remember(nil)
        }
    }

    @Test func `only its owner may read it`() throws {
        try self.withFile { file in
            for options in [[UInt8]](arrayLiteral: [1], [2]) {
                file.remember(options)
                let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
        }
    }

    @Test func `a file that is cut anywhere, or changed, is ignored`() throws {
        try self.withFile { file in
            let whole = Array(ModelStateFile.encode(Array(0...99)).utf8)
            for end in 0..<whole.count {
                try Data(whole[..<end]).write(to: URL(fileURLWithPath: file.path))
                #expect(file.recall() == nil, "cut at \(end)")
            }
            for damaged in [whole + whole, [0xFF] + whole, Array("homing model options 2\n1\nAA==\n".utf8)] {
                try Data(damaged).write(to: URL(fileURLWithPath: file.path))
                #expect(file.recall() == nil)
            }
        }
    }

    @Test func `a folder that does not exist is reported and breaks nothing`() throws {
        let log = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        let file = ModelStateFile(path: "/nowhere/\(UUID().uuidString)/model", log: log)
        file.remember([1])
        #expect(file.recall() == nil)
    }
}
