import Foundation

/// Where batches of access-log lines go. Called by one thread at a time, which it may block.
public protocol AccessLogSink: Sendable {
    /// Writes all of the bytes, which are whole lines. An error means that lines were lost; they are counted, not
    /// retried.
    func write(_ bytes: [UInt8]) throws
}

/// A file descriptor that the process has open already, such as standard output (1). It is never closed here.
///
/// The program ignores SIGPIPE: a reader that has gone away makes the write fail, and must not end the process.
public struct FileSink: AccessLogSink {
    private let file: FileHandle

    public init(descriptor: Int32) {
        self.file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
    }

    public func write(_ bytes: [UInt8]) throws {
        try self.file.write(contentsOf: Data(bytes))
    }
}
