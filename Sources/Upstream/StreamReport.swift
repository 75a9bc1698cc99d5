/// What one stream told of its replica besides its end.
public struct StreamReport: Sendable, Equatable {
    /// The answer's status may be the replica's fault.
    public var isError = false
    /// From the stream's start at the replica to its first response; nil where that says nothing.
    public var firstResponseNs: UInt64?

    public static let nothing = StreamReport()
}

extension StreamReport {
    init(_ stream: UpstreamStream) {
        self.isError = stream.answerIsError
        if stream.firstResponseNs > stream.openedNs { self.firstResponseNs = stream.firstResponseNs - stream.openedNs }
    }
}
