/// One loop's way into the access log: the buffer in which its lines are formatted.
///
/// Lives on the loop that made it. Not shared: every loop makes its own, so that formatting takes no lock and, once the
/// buffer has grown to a line's length, no memory.
package final class AccessLogWriter {
    private let log: AccessLog
    private var buffer: [UInt8] = []

    package init(to log: AccessLog) {
        self.log = log
        if log.format != .off { self.buffer.reserveCapacity(1_024) }
    }

    /// Writes one line. The entry is made only when the log is on.
    package func write(_ entry: @autoclosure () -> AccessLogEntry) {
        switch self.log.format {
        case .off: ()
        case .text: self.write(entry(), as: TextLine.self)
        case .json: self.write(entry(), as: JSONLine.self)
        }
    }

    private func write<Line: AccessLogLine & ~Copyable>(_ entry: AccessLogEntry, as _: Line.Type) {
        var buffer: [UInt8] = []
        swap(&buffer, &self.buffer)
        buffer.removeAll(keepingCapacity: true)
        var line = Line(in: buffer)
        entry.fields(into: &line)
        self.buffer = line.finished()
        self.log.append(self.buffer)
    }
}
