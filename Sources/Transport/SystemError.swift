internal import Glibc

/// The kernel's errors in words.
enum SystemError {
    /// Such as `Connection refused (errno 111)`.
    static func text(_ number: CInt) -> String { "\(unsafe String(cString: strerror(number))) (errno \(number))" }

    /// That of the call before this one.
    static var last: String { self.text(errno) }
}
