import Dispatch
import Synchronization

/// One line per ended stream, written beside the data path.
///
/// ```
/// loop ─► AccessLogWriter ─► pending (bounded, one mutex) ─► one serial queue ─► AccessLogSink
///          formats a line      a copy of its bytes             writes batches
/// ```
/// A loop never waits for the sink: when `pending` is full, lines are dropped and counted in
/// `homing_access_log_dropped_total`. Made once by the program, which calls `finish` after the last stream has ended.
public final class AccessLog: Sendable {
    public enum Format: String, Sendable, CaseIterable {
        /// No lines at all; entries are not even made.
        case off
        /// `key=value` pairs.
        case text
        /// One JSON object per line.
        case json
    }

    /// Of lines that are written from now on.
    public var format: Format {
        get { Format.allCases[self.formatPosition.load(ordering: .relaxed)] }
        set { self.formatPosition.store(Self.position(of: newValue), ordering: .relaxed) }
    }
    /// Share of the streams that end well and get a line, 0 to 1.
    public var sampleShare: Double {
        get { Double(bitPattern: self.shareBits.load(ordering: .relaxed)) }
        set { self.shareBits.store(newValue.bitPattern, ordering: .relaxed) }
    }
    /// Whether there are lines at all. By the position of the first case, which every call can afford to look at.
    public var isOn: Bool { self.formatPosition.load(ordering: .relaxed) != 0 }

    private let formatPosition: Atomic<Int>
    private let shareBits: Atomic<UInt64>

    private struct Pending {
        var bytes: [UInt8] = []
        var lines = 0
    }

    private let pending = Mutex(Pending())
    /// Written bytes' memory, kept for the next batch; only the queue takes and returns it.
    private let spare = Mutex<[UInt8]>([])
    private let maxPendingBytes: Int
    private let gather: DispatchTimeInterval
    private let sink: any AccessLogSink
    private let queue = DispatchQueue(label: "homing.access-log")
    private let droppedFull: Counter
    private let droppedFailed: Counter

    /// - Parameters:
    ///   - sampleShare: of the streams that end with OK; all others get their line.
    ///   - sink: where batches of whole lines go. Only ever called by one thread at a time.
    ///   - maxPendingBytes: most bytes of lines that wait for the sink; as many again may be in its hands.
    ///   - gather: how long a batch waits for more lines before it is written.
    public init(
        format: Format, sampleShare: Double = 1, sink: any AccessLogSink, metrics: MetricRegistry,
        maxPendingBytes: Int = 1 << 20,
        gather: Duration = .milliseconds(20)
    ) {
        self.formatPosition = Atomic(Self.position(of: format))
        self.shareBits = Atomic(sampleShare.bitPattern)
        self.sink = sink
        self.maxPendingBytes = maxPendingBytes
        self.gather = .nanoseconds(max(0, gather.wholeNanoseconds))
        let help = "Are streams missing from the access log, and why?"
        let name = "homing_access_log_dropped_total"
        self.droppedFull = metrics.counter(name, help: help, labels: ["cause": "queue_full"])
        self.droppedFailed = metrics.counter(name, help: help, labels: ["cause": "write_failed"])
    }

    /// Writes what is pending and returns when the sink has it, or after `limit`: a reader that has stopped reading our
    /// output must not keep the process from ending. Lines recorded meanwhile may be written too.
    public func finish(within limit: Duration) async {
        let limitNanoseconds = max(0, limit.wholeNanoseconds)
        await withCheckedContinuation { continuation in
            let waiting = WaitingCaller(continuation)
            self.queue.async {
                self.writePending()
                waiting.resume()
            }
            DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(limitNanoseconds)) { waiting.resume() }
        }
    }

    private static func position(of format: Format) -> Int { Format.allCases.firstIndex(of: format) ?? 0 }

    /// Takes a copy of one formatted line, or drops it. Called by every loop's writer.
    func append(_ line: [UInt8]) {
        enum Outcome { case waits, startsBatch, fillsHalf, dropped }
        let outcome = self.pending.withLock { pending in
            let before = pending.bytes.count
            let after = before + line.count
            if after > self.maxPendingBytes { return Outcome.dropped }
            pending.bytes.append(contentsOf: line)
            pending.lines += 1
            if before == 0 { return .startsBatch }
            return before < self.maxPendingBytes / 2 && after >= self.maxPendingBytes / 2 ? .fillsHalf : .waits
        }
        switch outcome {
        case .waits: ()
        case .startsBatch: self.queue.asyncAfter(deadline: .now() + self.gather) { self.writePending() }
        // A burst fills the buffer faster than the batch is due.
        case .fillsHalf: self.queue.async { self.writePending() }
        case .dropped: self.droppedFull.add()
        }
    }

    /// Runs on `queue` only.
    private func writePending() {
        var batch = Pending()
        self.spare.withLock { swap(&batch.bytes, &$0) }
        self.pending.withLock { swap(&batch, &$0) }
        if batch.lines > 0 {
            do {
                try self.sink.write(batch.bytes)
            } catch {
                self.droppedFailed.add(batch.lines)
            }
        }
        batch.bytes.removeAll(keepingCapacity: true)
        self.spare.withLock { swap(&batch.bytes, &$0) }
    }
}

/// Resumes its continuation for the first of two that call.
private final class WaitingCaller: Sendable {
    private let continuation: Mutex<CheckedContinuation<Void, Never>?>

    init(_ continuation: CheckedContinuation<Void, Never>) {
        self.continuation = Mutex(continuation)
    }

    func resume() {
        let first = self.continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }
        first?.resume()
    }
}
