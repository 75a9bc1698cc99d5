import Foundation
import Synchronization

/// A file that lines are appended to. When somebody has moved it away (logrotate), `reopen` begins a new one in its place;
/// when it was cut, the next lines stand at its beginning. Safe to use from every thread.
public final class LogFile: AccessLogSink {
    /// The file cannot be written.
    public struct Unwritable: Error, CustomStringConvertible {
        public let path: String

        public var description: String { "cannot write to the access log file \(self.path)" }
    }

    public let path: String
    private let file: Mutex<FileHandle>

    /// Opens the file, and makes it with permissions 0640 when there is none.
    public init(path: String) throws(Unwritable) {
        self.path = path
        self.file = Mutex(try Self.open(path))
    }

    public func write(_ bytes: [UInt8]) throws {
        try self.file.withLock { file in
            // A pipe has no end to go to.
            _ = try? file.seekToEnd()
            try file.write(contentsOf: Data(bytes))
        }
    }

    /// Goes on in whatever file has the path now. When it cannot be written, lines go on to the old one.
    public func reopen() throws(Unwritable) {
        let new = try Self.open(self.path)
        self.file.withLock { file in
            try? file.close()
            file = new
        }
    }

    private static func open(_ path: String) throws(Unwritable) -> FileHandle {
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(
                atPath: path, contents: nil, attributes: [.posixPermissions: NSNumber(value: 0o640)])
        }
        guard let file = FileHandle(forWritingAtPath: path) else { throw Unwritable(path: path) }
        return file
    }
}
