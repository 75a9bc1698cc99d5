internal import Dispatch
internal import Glibc

/// The line between a process and the one that takes its place: a word of one byte now and then, and its end when either
/// is gone.
///
/// ```
/// old   ──starts with the sockets──► new
///       ◄──────────ready──────────        it could accept
///       ──────────accept──────────►       the old one does not any more; who connects waits
///       ◄────────accepting────────        it does
///       ──────────yours───────────►       the sockets, their files and the service are the new one's
/// ```
/// At no time do both accept, so that nobody is served by a process that may still be found of no use.
///
/// Safe to use from any thread: the descriptor is closed once, in deinit.
public final class HandoverChannel: Sendable {
    public enum Word: UInt8, Sendable {
        case ready = 0x52
        case accept = 0x41
        case accepting = 0x61
        case yours = 0x59
    }

    /// What came of waiting.
    public enum Answer: Sendable, Equatable {
        case word(Word)
        /// The other one ends with this exit code, and has said why on its own log.
        case failed(exitCode: UInt8)
        /// The other one is gone without a word, or `cancel` was called.
        case gone
        case timedOut
    }

    private static let failed: UInt8 = 0x46
    private let descriptor: CInt

    /// - Parameter descriptor: of the other end's making; from now on ours.
    public init(_ descriptor: CInt) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(self.descriptor) }

    /// Our end, and the descriptor of the other one, which the caller closes. Nil when there are no more descriptors.
    public static func pair() -> (ours: HandoverChannel, theirs: CInt)? {
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
        return (HandoverChannel(ends[0]), ends[1])
    }

    public func say(_ word: Word) { self.write([word.rawValue]) }
    public func sayFailed(exitCode: UInt8) { self.write([Self.failed, exitCode]) }

    /// Ends every wait. The other side hears that we are gone.
    public func cancel() { shutdown(self.descriptor, CInt(SHUT_RDWR)) }

    /// Waits, on a thread that may block, for what the other one says. Nil waits for ever.
    public func answer(withinMs limit: Int?) async -> Answer {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: self.wait(limit)) }
        }
    }

    private func wait(_ limitMs: Int?) -> Answer {
        var event = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        let until = limitMs.map { Loop.now + UInt64($0) * 1_000_000 }
        while true {
            let left = until.map { $0 > Loop.now ? CInt(clamping: ($0 - Loop.now) / 1_000_000 + 1) : 0 } ?? -1
            let ready = unsafe poll(&event, 1, left)
            if ready < 0, errno == EINTR { continue }
            if ready == 0 { return .timedOut }
            break
        }
        guard let first = self.byte() else { return .gone }
        if let word = Word(rawValue: first) { return .word(word) }
        return first == Self.failed ? .failed(exitCode: self.byte() ?? 1) : .gone
    }

    private func byte() -> UInt8? {
        var byte: UInt8 = 0
        while true {
            let count = unsafe recv(self.descriptor, &byte, 1, 0)
            if count < 0, errno == EINTR { continue }
            return count == 1 ? byte : nil
        }
    }

    private func write(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { bytes in
            // One that is gone needs no answer.
            _ = unsafe Glibc.send(self.descriptor, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
        }
    }
}
