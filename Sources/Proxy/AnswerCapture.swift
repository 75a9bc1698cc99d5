import Upstream
import Wire

/// A copy of an answer that the proxy has a use for, made while it is relayed.
struct AnswerCapture {
    enum Purpose {
        /// Answers the same request from now on; `generation` is that of the memo when the request went out.
        case memo(request: UInt64, generation: Int)
        /// Names the job that was started.
        case job(StickyKey)
    }

    let purpose: Purpose
    /// Its frames; nil when there were too many bytes.
    private(set) var bytes: [UInt8]? = []

    init(_ purpose: Purpose) {
        self.purpose = purpose
    }

    mutating func append(_ more: RawSpan) {
        guard let count = self.bytes?.count else { return }
        if count + more.byteCount > AnswerMemo.maxAnswerBytes {
            self.bytes = nil
        } else {
            self.bytes?.append(contentsOf: more.copied)
        }
    }
}
