/// One loop's way into the access log: the buffer in which its lines are formatted.
///
/// Lives on the loop that made it. Not shared: every loop makes its own, so that formatting takes no lock and, once the
/// buffer has grown to a line's length, no memory.
public final class AccessLogWriter {
    private let log: AccessLog
    private var buffer: [UInt8] = []
    private var random = UInt64.random(in: 0 ... .max)

    public init(to log: AccessLog) {
        self.log = log
        if log.format != .off { self.buffer.reserveCapacity(1_024) }
    }

    /// Writes one line. The entry is made only when the log is on and the stream is in its sample.
    /// - Parameter always: the stream is worth a line whatever the sample is.
    public func write(always: Bool = true, _ entry: @autoclosure () -> AccessLogEntry) {
        guard self.log.isOn, always || self.isInSample() else { return }
        switch self.log.format {
        case .off: ()
        case .text: self.write(entry(), as: TextLine.self)
        case .json: self.write(entry(), as: JSONLine.self)
        }
    }

    /// Decides by a sequence of its own (Knuth's linear congruential generator), which costs no call to the system.
    private func isInSample() -> Bool {
        let share = self.log.sampleShare
        guard share < 1 else { return true }
        self.random = self.random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(self.random >> 11) * 0x1p-53 < share
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
