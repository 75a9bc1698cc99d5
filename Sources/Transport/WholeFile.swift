internal import Glibc

/// A small file that is there whole, old or new, at any time, and that only its owner may read.
public enum WholeFile {
    /// A system call that failed.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        init(_ call: String) { self.description = "\(call): error \(errno)" }
    }

    /// Writes `bytes` beside `path`, has them reach the disk, and puts that file in the place of the old one.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(Failure) {
        let fresh = path + ".new"
        unsafe unlink(fresh)
        let descriptor = unsafe open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Failure("open") }
        do throws(Failure) {
            try self.write(bytes, to: descriptor)
            guard fsync(descriptor) == 0 else { throw Failure("fsync") }
            guard unsafe rename(fresh, path) == 0 else { throw Failure("rename") }
        } catch {
            close(descriptor)
            unsafe unlink(fresh)
            throw error
        }
        close(descriptor)
    }

    /// Removes the file; that there is none is as good.
    public static func remove(_ path: String) throws(Failure) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw Failure("unlink") }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(Failure) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { all in
                unsafe Glibc.write(descriptor, all.baseAddress! + written, all.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure("write") }
            written += count
        }
    }
}
