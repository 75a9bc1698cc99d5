/// What one stream told of its replica besides its end.
package struct StreamReport: Sendable, Equatable {
    /// The answer's status may be the replica's fault.
    package var isError = false
    /// From the stream's start at the replica to its first response; nil where that says nothing.
    package var firstResponseNs: UInt64?

    package static let nothing = StreamReport()
}

extension StreamReport {
    init(_ stream: UpstreamStream) {
        self.isError = stream.answerIsError
        if stream.firstResponseNs > stream.openedNs { self.firstResponseNs = stream.firstResponseNs - stream.openedNs }
    }
}
