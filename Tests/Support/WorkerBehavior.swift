package import Wire

/// How a scripted worker treats calls of the data path. Its Health always says OK, and LoadModel loads.
package enum WorkerBehavior: Sendable {
    /// Answers with the request's bytes when the request has ended.
    case healthy
    /// Answers at once, and sends back each piece as it comes.
    case echoing
    /// Nothing listens at its address.
    case refusing
    /// REFUSED_STREAM for every call.
    case refusesStream
    case closesSocket(ClosingPoint)
    /// RST_STREAM when the request has ended, before anything of an answer.
    case resets(HTTP2ErrorCode)
    /// RST_STREAM after the answer's headers and these bytes.
    case resetsMidStream([UInt8], HTTP2ErrorCode)
    /// GOAWAY that leaves every stream out; its connections take no stream at all.
    case goAway
    /// Its connections are taken, and never a byte comes from them: as a process that hangs.
    case mute
    /// The status alone, in one HEADERS frame.
    case trailersOnly(GRPCStatusCode, String)
    /// FAILED_PRECONDITION until a LoadModel.
    case notLoaded
    /// Reads, and says nothing.
    case neverAnswers
    /// Gives no window back, and says nothing.
    case neverReads
    /// An answer without trailers.
    case noStatus
    /// The whole answer at once, before the request has ended.
    case earlyAnswer
    /// Answers with this.
    case answers(ScriptedAnswer)

    package enum ClosingPoint: Sendable {
        /// When the request's headers have come.
        case onRequest
        /// When this many bytes of the request have come, of which it gives no window back.
        case afterBytes(Int)
        /// When the whole request has come, before an answer.
        case beforeHeaders
        /// After the answer's headers and these bytes.
        case midStream([UInt8])
    }
}

/// An answer of a scripted worker.
package struct ScriptedAnswer: Sendable {
    package typealias Fields = [(name: String, value: String)]

    package var headers: Fields = [(":status", "200"), ("content-type", "application/grpc")]
    package var body: [UInt8]
    package var trailers: Fields = [("grpc-status", "0")]

    package init(body: [UInt8], headers: Fields = [], trailers: Fields = [("grpc-status", "0")]) {
        self.headers += headers
        self.body = body
        self.trailers = trailers
    }
}
